#include "tensor/pass.h"

#include <string.h>

#include "base/memory.h"
#include "base/work_queue.h"
#include "tensor/gather.h"

enum {
  PASS_MAX_THREADS = 64,
  PASS_BLOCKS_A_THREAD = 4,   /* fewer are not worth a thread */
  PASS_TURNS_A_THREAD = 4,    /* the minimum for each thread, and how many it may be ahead of the
                              ** slowest one */
  PASS_MAPPED_TURN = 4 << 20, /* bytes of a turn where windows are mapped */
  PASS_TURN_STATES = 1 << 17, /* the maximum size in bytes of the states of a turn of more than one
                              ** block */
  PASS_ASK_SPAN = 1 << 20,    /* bytes of the file that the chunks span between two checks for
                              ** cancellation */
  PASS_PAGE = 4096            /* a chunk counts as at least this many bytes */
};

/* What all threads together have mapped of files, window by window, and the most and the least of each input:
** much at a time, as letting a mapping go takes long, and large pages of the system are mapped at once. */
#define PASS_ALL_MAPPED ((uint64_t)32 << 20)
#define PASS_MAPPED_MAX ((uint64_t)16 << 20)
#define PASS_MAPPED_MIN ((uint64_t)1 << 20)

/* The states of blocks of a pass that writes them, as the disk has it wait now and then for milliseconds. */
#define PASS_WRITTEN_STATES ((uint64_t)4 << 20)

/* How one thread reads one input. */
typedef struct PassFeed {
  struct PassPool *pool;
  unsigned worker;
  uint64_t number; /* of the block that is read */
  const PassInput *input;
  bool contiguous;
  Reader reader;
  uint64_t ahead;          /* the most that the Reader reads ahead */
  Walk walk;               /* if the view is not contiguous */
  unsigned char *gathered; /* the gathered elements of a block */
} PassFeed;

/* What belongs to one thread. */
typedef struct PassWorker {
  PassFeed feeds[PASS_MAX_INPUTS];
  void *state;                     /* its own state, if the order does not matter */
  unsigned char *memory, *scratch; /* the allocation, and its first aligned byte */
} PassWorker;

/* The threads that work on a pass. The state of a block is in the slot of its item in the work
** queue. */
typedef struct PassPool {
  const Pass *pass;
  WorkQueue queue;
  uint64_t numel;
  uint64_t unit,
      unit_blocks; /* the elements that are divided into blocks by themselves, and how many blocks */
  PassWorker *workers;
  unsigned char *states;
} PassPool;

/* ---- Where blocks are ---- */

typedef struct PassRange {
  uint64_t begin, count;
} PassRange;

static void pass_measure(PassPool *pool) {
  uint64_t row = pool->pass->row;
  pool->unit = row == 0 ? pool->numel : row > PASS_BLOCK ? row : PASS_BLOCK / row * row;
  pool->unit_blocks = (pool->unit - 1) / PASS_BLOCK + 1;
}

static PassRange pass_range(const PassPool *pool, uint64_t number) {
  uint64_t begin = number / pool->unit_blocks * pool->unit, end = begin + pool->unit;
  if (end > pool->numel) end = pool->numel;
  begin += number % pool->unit_blocks * PASS_BLOCK;
  return (PassRange){begin, end - begin < PASS_BLOCK ? end - begin : PASS_BLOCK};
}

/* ---- Reading ---- */

static uint64_t pass_block_bytes(unsigned bits) {
  return (uint64_t)PASS_BLOCK * bits / 8;
}

static bool pass_feed_go_on(void *context, Error *error) {
  PassFeed *feed = context;
  return work_queue_go_on(&feed->pool->queue, feed->worker, feed->number, error);
}

/* Has the Reader map windows. */
static void pass_feed_map_windows(PassFeed *feed) {
  const PassPool *pool = feed->pool;
  uint64_t size = PASS_ALL_MAPPED / ((uint64_t)pool->queue.worker_count * pool->pass->input_count);
  if (size > PASS_MAPPED_MAX) size = PASS_MAPPED_MAX;
  if (size < PASS_MAPPED_MIN) size = PASS_MAPPED_MIN;
  reader_map_windows(&feed->reader, size);
}

static bool pass_feed_open_reader(PassFeed *feed, const PassInput *input, Error *error) {
  const View *view = input->view;
  uint64_t first = view->offset - view->offset % dtype_byte_group(input->bits);
  uint64_t begin = first * input->bits / 8;
  uint64_t end = ((view->offset + view->numel) * input->bits + 7) / 8;
  if (feed->pool->pass->once) return reader_open(&feed->reader, input->source, error);
  return feed->contiguous
             ? reader_open_for_part(&feed->reader, input->source, begin, end - begin, error)
             : reader_open_for_pass(&feed->reader, input->source, error);
}

static bool pass_feed_open(PassFeed *feed, const PassInput *input, Error *error) {
  const Pass *pass = feed->pool->pass;
  bool good = pass_feed_open_reader(feed, input, error);
  if (good && pass->maps_windows && feed->contiguous) pass_feed_map_windows(feed);
  feed->reader.asking = (Asking){pass_feed_go_on, feed};
  feed->ahead = feed->reader.ahead;
  if (!good || feed->contiguous) return good;
  feed->gathered = memory_alloc(pass_block_bytes(input->bits));
  if (feed->gathered == NULL) return error_memory(error);
  return walk_open(&feed->walk, input->view, input->bits, &feed->reader, error);
}

static void pass_feed_close(PassFeed *feed) {
  walk_close(&feed->walk);
  memory_free(feed->gathered);
  reader_close(&feed->reader);
}

/* ---- One block ---- */

/* Gathers the elements of a block that are not contiguous. Checks for cancellation within the
** block, because each element may have to be fetched from another place. */
static bool pass_gather_block(PassPool *pool, unsigned worker, PassFeed *feed, uint64_t number,
                              PassRange range, Error *error) {
  Chunk chunk;
  unsigned bits = feed->input->bits;
  uint64_t span = 0;
  if (bits % 8 != 0) memset(feed->gathered, 0, (size_t)pass_block_bytes(bits));
  walk_seek(&feed->walk, range.begin);
  for (uint64_t done = 0; done < range.count; done += chunk.count) {
    if (span >= PASS_ASK_SPAN) {
      if (!work_queue_go_on(&pool->queue, worker, number, error)) return false;
      span = 0;
    }
    if (!walk_next(&feed->walk, range.count - done, &chunk, error)) return false;
    span += PASS_PAGE + chunk.count * chunk.stride * bits / 8;
    gather_chunk(&chunk, bits, feed->gathered, done);
  }
  return true;
}

/* How much to read ahead at a block: no more than the thread's turn, as other threads read what follows it. */
static uint64_t pass_read_ahead(const PassPool *pool, const PassFeed *feed, uint64_t number) {
  const WorkQueue *queue = &pool->queue;
  if (queue->worker_count == 1) return feed->ahead;
  uint64_t size = (queue->turn - number % queue->turn) * pass_block_bytes(feed->input->bits);
  return size < feed->ahead ? size : feed->ahead;
}

static bool pass_feed_block(PassPool *pool, unsigned worker, PassFeed *feed, uint64_t number,
                            PassRange range, PassElements *out, Error *error) {
  if (!feed->contiguous) {
    *out = (PassElements){.data = feed->gathered};
    return pass_gather_block(pool, worker, feed, number, range, error);
  }
  unsigned bits = feed->input->bits;
  uint64_t element = feed->input->view->offset + range.begin;
  out->first = element % dtype_byte_group(bits);
  feed->reader.ahead = pass_read_ahead(pool, feed, number);
  out->data = reader_bytes(&feed->reader, (element - out->first) * bits / 8,
                           ((out->first + range.count) * bits + 7) / 8, error);
  return out->data != NULL;
}

static void *pass_block_state(const PassPool *pool, uint64_t number) {
  return pool->states + number % pool->queue.ahead * pool->pass->state_size;
}

/* The work of the queue. */
static bool pass_take_block(WorkQueue *queue, unsigned worker, uint64_t number, Error *error) {
  PassPool *pool = queue->context;
  const Pass *pass = pool->pass;
  PassWorker *own = &pool->workers[worker];
  PassElements elements[PASS_MAX_INPUTS];
  PassRange range = pass_range(pool, number);
  void *state = own->state;
  if (state == NULL) {
    state = pass_block_state(pool, number);
    memset(state, 0, (size_t)(pass->state_size - pass->unset_size));
  }
  for (unsigned i = 0; i < pass->input_count; i++) {
    own->feeds[i].number = number;
    if (!pass_feed_block(pool, worker, &own->feeds[i], number, range, &elements[i], error))
      return false;
  }
  pass->block(pass->task, elements, range.begin, range.count, own->scratch, state);
  return true;
}

/* The part of the work that the queue does in order. */
static bool pass_merge_block(void *context, uint64_t number) {
  const PassPool *pool = context;
  return pool->pass->merge(pool->pass->task, pass_block_state(pool, number));
}

/* ---- All threads ---- */

static bool pass_allocate(PassPool *pool) {
  pool->workers = memory_zeroed(pool->queue.worker_count, sizeof *pool->workers);
  pool->states = memory_zeroed(pool->queue.ahead, pool->pass->state_size);
  return pool->workers != NULL && pool->states != NULL;
}

static bool pass_open_scratch(PassWorker *worker, uint64_t size) {
  worker->memory = size > 0 ? memory_alloc(size + PASS_ALIGNMENT) : NULL;
  if (worker->memory == NULL) return size == 0;
  worker->scratch = worker->memory + (PASS_ALIGNMENT - (uintptr_t)worker->memory % PASS_ALIGNMENT);
  return true;
}

static bool pass_pool_open(PassPool *pool, Error *error) {
  const Pass *pass = pool->pass;
  unsigned count = pool->queue.worker_count;
  if (!pass_allocate(pool)) return error_memory(error);
  for (unsigned w = 0; w < count; w++) {
    if (!pass_open_scratch(&pool->workers[w], pass->scratch_size)) return error_memory(error);
    if (pass->any_order) pool->workers[w].state = pass_block_state(pool, w);
  }
  for (unsigned w = 0; w < count; w++) {
    for (unsigned i = 0; i < pass->input_count; i++) {
      const PassInput *input = &pass->inputs[i];
      PassFeed *feed = &pool->workers[w].feeds[i];
      *feed = (PassFeed){pool, w, 0, input, view_is_contiguous(input->view), .walk = {0}};
      if (!pass_feed_open(feed, input, error)) return false;
    }
  }
  return true;
}

static void pass_pool_close(PassPool *pool) {
  for (unsigned w = 0; pool->workers != NULL && w < pool->queue.worker_count; w++) {
    for (unsigned i = 0; i < pool->pass->input_count; i++)
      pass_feed_close(&pool->workers[w].feeds[i]);
    memory_free(pool->workers[w].memory);
  }
  memory_free(pool->workers);
  memory_free(pool->states);
}

/* Whether the files are still as they were, of which windows are mapped. */
static bool pass_check_windows(const PassPool *pool, Error *error) {
  for (unsigned w = 0; w < pool->queue.worker_count; w++) {
    for (unsigned i = 0; i < pool->pass->input_count; i++) {
      if (!reader_check(&pool->workers[w].feeds[i].reader, error)) return false;
    }
  }
  return true;
}

/* Merges the states of the threads, if the order does not matter. */
static void pass_merge_workers(const PassPool *pool) {
  for (unsigned w = 0; w < pool->queue.worker_count; w++) {
    if (!pool->pass->merge(pool->pass->task, pool->workers[w].state)) break;
  }
}

static unsigned pass_worker_count(const Host *host, uint64_t block_count) {
  uint64_t threads = host != NULL ? host->threads : 0;
  if (threads > block_count / PASS_BLOCKS_A_THREAD) threads = block_count / PASS_BLOCKS_A_THREAD;
  return threads < PASS_MAX_THREADS ? (unsigned)threads + 1 : PASS_MAX_THREADS;
}

/* The number of blocks in a turn of a thread. It is a window of the Reader, or several that are mapped, unless
** their states would take too much memory or there are too few blocks. A single thread takes one block at a time, so
** that it can stop as early as possible. */
static uint64_t pass_turn_length(const Pass *pass, const WorkQueue *queue) {
  uint64_t bytes = pass->maps_windows ? PASS_MAPPED_TURN : READER_WINDOW;
  uint64_t length = bytes / pass_block_bytes(pass->inputs[0].bits);
  uint64_t max = PASS_TURN_STATES / pass->state_size;
  if (!pass->any_order && max < length) length = max;
  max = queue->count / ((uint64_t)PASS_TURNS_A_THREAD * queue->worker_count);
  if (max < length) length = max;
  return length > 1 && queue->worker_count > 1 ? length : 1;
}

static void pass_plan(PassPool *pool, const Host *host) {
  WorkQueue *queue = &pool->queue;
  bool any_order = pool->pass->any_order;
  pass_measure(pool);
  uint64_t count = ((pool->numel - 1) / pool->unit + 1) * pool->unit_blocks;
  *queue = (WorkQueue){.count = count,
                       .worker_count = pass_worker_count(host, count),
                       .unit = pool->pass->row == 0 ? PASS_BLOCK : pool->numel / count,
                       .host = host,
                       .context = pool,
                       .work = pass_take_block,
                       .finish = any_order ? NULL : pass_merge_block};
  queue->turn = pass_turn_length(pool->pass, queue);
  queue->ahead = queue->worker_count * (any_order ? 1 : PASS_TURNS_A_THREAD * queue->turn);
  uint64_t written = pool->pass->writes ? PASS_WRITTEN_STATES / pool->pass->state_size : 0;
  if (queue->worker_count > 1 && written > queue->ahead) queue->ahead = written;
}

bool pass_run(const Pass *pass, const Host *host, Error *error) {
  PassPool pool = {.pass = pass, .numel = pass->inputs[0].view->numel};
  if (pool.numel == 0) return true;
  pass_plan(&pool, host);
  bool good = pass_pool_open(&pool, error) && work_queue_run(&pool.queue, error) &&
              pass_check_windows(&pool, error);
  if (good && pass->any_order) pass_merge_workers(&pool);
  pass_pool_close(&pool);
  return good;
}
