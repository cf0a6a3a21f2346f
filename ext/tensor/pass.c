#include "tensor/pass.h"

#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <time.h>

#include "base/memory.h"
#include "base/platform.h"
#include "tensor/gather.h"

enum {
  MAX_THREADS = 64,
  BLOCKS_A_THREAD = 4,   /* fewer are not worth a thread */
  TURNS_A_THREAD = 4,    /* it has at least so many, and may be so many ahead of the slowest */
  TURN_STATES = 1 << 17, /* bytes of the states of a turn, if that is more than one */
  CHUNKS_AT_ONCE = 256,
  WAIT_NANOSECONDS = 10000000 /* of the caller's thread for others, until it asks again */
};

/* One thread's way of reading one input. */
typedef struct Feed {
  const PassInput *input;
  bool contiguous;
  Reader reader;
  Walk walk;               /* where the view is not contiguous */
  unsigned char *gathered; /* a block of it, brought together */
} Feed;

typedef struct Worker {
  struct Crew *crew;
  Feed feeds[PASS_MAX_INPUTS];
  void *state; /* its own, where any order will do */
  Error error;
  pthread_t thread;
  bool started;
} Worker;

/* All that work on a pass. Under the mutex: what is next, the slots, and stop. A thread takes `turn`
** blocks at a time, so that it reads a window of its own and seldom needs the mutex. A block's state
** is in slot (number % slot_count) from when it is begun until it is merged. */
typedef struct Crew {
  const Pass *pass;
  const PassHost *host;
  uint64_t numel, block_count, turn;
  Worker *workers; /* the first is the caller */
  unsigned worker_count;
  pthread_mutex_t mutex;
  pthread_cond_t changed; /* more was merged, a thread has ended, or stop */
  unsigned working;       /* threads besides the caller's */
  uint64_t next, merged;
  uint64_t slot_count;
  unsigned char *states;
  bool *finished; /* of each slot */
  bool stop;
  Asking asking; /* the caller's thread alone */
} Crew;

/* ---- Reading ---- */

static uint64_t block_bytes(unsigned bits) {
  return (uint64_t)PASS_BLOCK * bits / 8;
}

static bool feed_open(Feed *feed, const PassInput *input, bool once, Error *error) {
  *feed = (Feed){.input = input, .contiguous = view_is_contiguous(input->view)};
  bool good = reader_open(&feed->reader, input->source, error);
  feed->reader.for_pass = !once;
  if (!good || feed->contiguous) return good;
  feed->gathered = memory_alloc(block_bytes(input->bits));
  if (feed->gathered == NULL) return error_memory(error);
  return walk_open(&feed->walk, input->view, input->bits, &feed->reader, error);
}

static void feed_close(Feed *feed) {
  walk_close(&feed->walk);
  memory_free(feed->gathered);
  reader_close(&feed->reader);
}

/* ---- Blocks ---- */

/* Under the mutex. */
static void merge_finished(Crew *crew) {
  bool more = false;
  while (!crew->stop && crew->finished[crew->merged % crew->slot_count]) {
    uint64_t slot = crew->merged % crew->slot_count;
    crew->finished[slot] = false;
    crew->merged++;
    more = true;
    if (!crew->pass->merge(crew->pass->task, crew->states + slot * crew->pass->state_size)) {
      crew->stop = true;
    }
  }
  if (more) pthread_cond_broadcast(&crew->changed);
}

/* On the caller's thread, without the mutex. */
static bool ask(Worker *worker, uint64_t blocks_done) {
  Crew *crew = worker->crew;
  uint64_t done = blocks_done < crew->block_count ? blocks_done * PASS_BLOCK : crew->numel;
  return asking_go_on(&crew->asking, done, &worker->error);
}

/* Waits for others to change something. The caller's thread, which is asked whether to go on, waits no
** longer than it may be without asking; false if the answer is no. Under the mutex. */
static bool wait_for_others(Worker *worker) {
  Crew *crew = worker->crew;
  if (worker != crew->workers) return pthread_cond_wait(&crew->changed, &crew->mutex) == 0;
  struct timespec until;
  timespec_get(&until, TIME_UTC);
  until.tv_nsec += WAIT_NANOSECONDS;
  until.tv_sec += until.tv_nsec / 1000000000;
  until.tv_nsec %= 1000000000;
  pthread_cond_timedwait(&crew->changed, &crew->mutex, &until);
  uint64_t begun = crew->next;
  pthread_mutex_unlock(&crew->mutex);
  bool go_on = ask(worker, begun);
  pthread_mutex_lock(&crew->mutex);
  return go_on;
}

static void stop(Crew *crew) {
  crew->stop = true;
  pthread_cond_broadcast(&crew->changed);
}

/* Takes the next blocks: their number, and the first one's. 0 when there are none left. Under the
** mutex. */
static uint64_t claim(Worker *worker, uint64_t *first) {
  Crew *crew = worker->crew;
  while (!crew->stop && !crew->pass->any_order && crew->next < crew->block_count &&
         crew->next + crew->turn > crew->merged + crew->slot_count) {
    if (!wait_for_others(worker)) stop(crew);
  }
  uint64_t left = crew->stop ? 0 : crew->block_count - crew->next;
  uint64_t count = left < crew->turn ? left : crew->turn;
  *first = crew->next;
  crew->next += count;
  return count;
}

/* ---- One block ---- */

/* Whether a block is still wanted that takes long: each of its elements may have to be fetched from
** somewhere else. */
static bool still_wanted(Worker *worker, uint64_t number) {
  Crew *crew = worker->crew;
  if (worker == crew->workers) return ask(worker, number);
  pthread_mutex_lock(&crew->mutex);
  bool stopped = crew->stop;
  pthread_mutex_unlock(&crew->mutex);
  return !stopped;
}

static bool gather_block(Worker *worker, Feed *feed, uint64_t number, uint64_t count) {
  Chunk chunk;
  unsigned bits = feed->input->bits, chunks = 0;
  if (bits % 8 != 0) memset(feed->gathered, 0, (size_t)block_bytes(bits));
  walk_seek(&feed->walk, number * PASS_BLOCK);
  for (uint64_t done = 0; done < count; done += chunk.count) {
    if (++chunks % CHUNKS_AT_ONCE == 0 && !still_wanted(worker, number)) return false;
    if (!walk_next(&feed->walk, count - done, &chunk, &worker->error)) return false;
    gather_chunk(&chunk, bits, feed->gathered, done);
  }
  return true;
}

static bool feed_block(Worker *worker, Feed *feed, uint64_t number, uint64_t count,
                       PassElements *out) {
  if (!feed->contiguous) {
    *out = (PassElements){.data = feed->gathered};
    return gather_block(worker, feed, number, count);
  }
  unsigned bits = feed->input->bits;
  uint64_t element = feed->input->view->offset + number * PASS_BLOCK;
  out->first = element % gather_byte_group(bits);
  out->data = reader_bytes(&feed->reader, (element - out->first) * bits / 8,
                           ((out->first + count) * bits + 7) / 8, &worker->error);
  return out->data != NULL;
}

static bool take_block(Worker *worker, uint64_t number, void *state) {
  const Crew *crew = worker->crew;
  PassElements elements[PASS_MAX_INPUTS];
  uint64_t position = number * PASS_BLOCK, count = crew->numel - position;
  if (count > PASS_BLOCK) count = PASS_BLOCK;
  for (unsigned i = 0; i < crew->pass->input_count; i++) {
    if (!feed_block(worker, &worker->feeds[i], number, count, &elements[i])) return false;
  }
  crew->pass->block(crew->pass->task, elements, position, count, state);
  return true;
}

/* ---- One thread ---- */

static bool take_turn(Worker *worker, uint64_t first, uint64_t count) {
  Crew *crew = worker->crew;
  uint64_t state_size = crew->pass->state_size;
  for (uint64_t number = first; number < first + count; number++) {
    void *state = worker->state;
    if (state == NULL) {
      state = crew->states + number % crew->slot_count * state_size;
      memset(state, 0, (size_t)(state_size - crew->pass->unset_size));
    }
    if (!take_block(worker, number, state)) return false;
    if (worker == crew->workers && !ask(worker, number)) return false;
  }
  return true;
}

static void work(Worker *worker) {
  Crew *crew = worker->crew;
  uint64_t first, count;
  pthread_mutex_lock(&crew->mutex);
  while ((count = claim(worker, &first)) > 0) {
    pthread_mutex_unlock(&crew->mutex);
    bool good = take_turn(worker, first, count);
    pthread_mutex_lock(&crew->mutex);
    if (!good) {
      stop(crew);
    } else if (worker->state == NULL) {
      for (uint64_t i = 0; i < count; i++) crew->finished[(first + i) % crew->slot_count] = true;
      merge_finished(crew);
    }
  }
  pthread_mutex_unlock(&crew->mutex);
}

static void *thread_main(void *context) {
  Worker *worker = context;
  Crew *crew = worker->crew;
  work(worker);
  pthread_mutex_lock(&crew->mutex);
  crew->working--;
  pthread_cond_broadcast(&crew->changed);
  pthread_mutex_unlock(&crew->mutex);
  return NULL;
}

/* ---- All threads ---- */

static bool allocate(Crew *crew) {
  unsigned count = crew->worker_count;
  crew->workers = memory_zeroed(count, sizeof *crew->workers);
  if (crew->workers == NULL) return false;
  for (unsigned w = 0; w < count; w++) {
    crew->workers[w].crew = crew;
    for (unsigned i = 0; i < PASS_MAX_INPUTS; i++) {
      crew->workers[w].feeds[i].reader.descriptor = -1; /* so that it can be closed unopened */
    }
  }
  crew->slot_count = crew->pass->any_order ? count : TURNS_A_THREAD * crew->turn * count;
  crew->finished = memory_zeroed(crew->slot_count, sizeof *crew->finished);
  crew->states = memory_zeroed(crew->slot_count, crew->pass->state_size);
  return crew->finished != NULL && crew->states != NULL;
}

static bool crew_open(Crew *crew, Error *error) {
  const Pass *pass = crew->pass;
  unsigned count = crew->worker_count;
  if (!allocate(crew)) return error_memory(error);
  for (unsigned w = 0; w < count; w++) {
    if (pass->any_order) crew->workers[w].state = crew->states + w * pass->state_size;
  }
  for (unsigned w = 0; w < count; w++) {
    for (unsigned i = 0; i < pass->input_count; i++) {
      if (!feed_open(&crew->workers[w].feeds[i], &pass->inputs[i], pass->once, error)) return false;
    }
  }
  return true;
}

static void crew_close(Crew *crew) {
  for (unsigned w = 0; crew->workers != NULL && w < crew->worker_count; w++) {
    for (unsigned i = 0; i < crew->pass->input_count; i++) feed_close(&crew->workers[w].feeds[i]);
    error_clear(&crew->workers[w].error);
  }
  memory_free(crew->workers);
  memory_free(crew->finished);
  memory_free(crew->states);
}

/* A thread that cannot be had is done without. Signals are left to the threads of the host. */
static void start_threads(Crew *crew) {
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  pthread_mutex_lock(&crew->mutex);
  for (unsigned w = 1; w < crew->worker_count; w++) {
    Worker *worker = &crew->workers[w];
    worker->started = pthread_create(&worker->thread, NULL, thread_main, worker) == 0;
    crew->working += worker->started;
  }
  pthread_mutex_unlock(&crew->mutex);
  pthread_sigmask(SIG_SETMASK, &before, NULL);
}

static void join_threads(Crew *crew) {
  pthread_mutex_lock(&crew->mutex);
  while (crew->working > 0 && !crew->stop) {
    if (!wait_for_others(&crew->workers[0])) stop(crew);
  }
  pthread_mutex_unlock(&crew->mutex);
  for (unsigned w = 1; w < crew->worker_count; w++) {
    if (crew->workers[w].started) pthread_join(crew->workers[w].thread, NULL);
  }
}

/* The caller's error comes first: it may be an interrupt. */
static bool collect(Crew *crew, Error *error) {
  for (unsigned w = 0; w < crew->worker_count; w++) {
    if (crew->workers[w].error.code == ERROR_NONE) continue;
    *error = crew->workers[w].error;
    crew->workers[w].error = (Error){0};
    return false;
  }
  for (unsigned w = 0; crew->pass->any_order && w < crew->worker_count; w++) {
    if (!crew->pass->merge(crew->pass->task, crew->workers[w].state)) break;
  }
  return true;
}

static unsigned worker_count(const PassHost *host, uint64_t block_count) {
  uint64_t threads = host != NULL ? host->threads : 0;
  if (threads > block_count / BLOCKS_A_THREAD) threads = block_count / BLOCKS_A_THREAD;
  return threads < MAX_THREADS ? (unsigned)threads + 1 : MAX_THREADS;
}

/* Blocks of a thread's turn: a window of the reader's, unless their states take too much room, or there
** are too few. One thread alone takes turns of one block, to stop as soon as it may. */
static uint64_t turn_length(const Crew *crew) {
  const Pass *pass = crew->pass;
  uint64_t length = READER_WINDOW / block_bytes(pass->inputs[0].bits);
  uint64_t most = TURN_STATES / pass->state_size;
  if (most < length) length = most;
  most = crew->block_count / ((uint64_t)TURNS_A_THREAD * crew->worker_count);
  if (most < length) length = most;
  return length > 1 && crew->worker_count > 1 ? length : 1;
}

bool pass_run(const Pass *pass, const PassHost *host, Error *error) {
  uint64_t numel = pass->inputs[0].view->numel;
  if (numel == 0) return true;
  Crew crew = {.pass = pass, .host = host, .numel = numel, .asking = asking_begin(host)};
  crew.block_count = (numel - 1) / PASS_BLOCK + 1;
  crew.worker_count = worker_count(host, crew.block_count);
  crew.turn = turn_length(&crew);
  pthread_mutex_init(&crew.mutex, NULL);
  pthread_cond_init(&crew.changed, NULL);
  bool good = crew_open(&crew, error);
  if (good) {
    start_threads(&crew);
    work(&crew.workers[0]);
    join_threads(&crew);
    good = collect(&crew, error);
  }
  crew_close(&crew);
  pthread_cond_destroy(&crew.changed);
  pthread_mutex_destroy(&crew.mutex);
  return good;
}
