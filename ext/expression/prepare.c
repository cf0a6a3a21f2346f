#include "expression/prepare.h"

#include <math.h>
#include <string.h>

#include "base/memory.h"
#include "base/work_queue.h"
#include "expression/direct.h"
#include "expression/remember.h"
#include "tensor/encode.h"

enum {
  PREPARE_ITEM = 1 << 16, /* elements of an item of work */
  PREPARE_MAX_THREADS = 64,
  PREPARE_ITEMS_A_THREAD = 4,   /* fewer are not worth a thread */
  PREPARE_SUMS = 3,             /* of slerp: a * b, a * a, b * b */
  PREPARE_AHEAD_MIN = 16 << 10, /* bytes that are read of a file at a time */
  PREPARE_MANY = 256,           /* steps, whose tiles all together take some 10 MB of each thread */
  PREPARE_MANY_PRODUCTS = 16
};

_Static_assert((int)PREPARE_SUMS == (int)REMEMBER_NUMBERS, "the sums are remembered");

/* How much memory all keeps together may take, and the buffers of the files of one evaluator. */
#define PREPARE_IN_MEMORY    ((uint64_t)16 << 20)
#define PREPARE_ALL_BUFFERS  ((uint64_t)4 << 20)
#define PREPARE_AHEAD_DIRECT ((uint64_t)4 << 10)
#define PREPARE_AHEAD_MAX    ((uint64_t)512 << 10)

/* What all evaluators together have mapped of files, and each of one file: much at a time, as letting a
** mapping go takes long. */
#define PREPARE_ALL_MAPPED ((uint64_t)16 << 20)
#define PREPARE_MAPPED_MAX ((uint64_t)8 << 20)

/* The panels of all evaluators together, and those of one of their steps. */
#define PREPARE_ALL_TURNED   ((uint64_t)24 << 20)
#define PREPARE_TURNED_MAX   ((uint64_t)8 << 20)
#define PREPARE_ALL_PRODUCTS ((uint64_t)24 << 20)
#define PREPARE_PRODUCT_MAX  ((uint64_t)4 << 20)

static uint64_t prepare_share(uint64_t all, uint64_t count, uint64_t min, uint64_t max) {
  uint64_t share = all / (count > 0 ? count : 1);
  return share > max ? max : share < min ? min : share;
}

EvaluatorRoom prepare_room(const Plan *plan, unsigned count) {
  uint64_t reads = 0, turned = 0, products = 0;
  for (uint32_t i = 0; i < plan->step_count; i++) {
    const Step *step = &plan->steps[i];
    reads += step->kind == STEP_READ;
    turned += step->kind == STEP_READ && !view_is_contiguous(&step->view);
    products += step->kind == STEP_MATMUL || step->kind == STEP_BLOCKS;
  }
  uint64_t max = plan->is_direct ? PREPARE_AHEAD_DIRECT : PREPARE_AHEAD_MAX;
  return (EvaluatorRoom){
      .ahead = prepare_share(PREPARE_ALL_BUFFERS, reads, PREPARE_AHEAD_MIN, max),
      .mapped =
          prepare_share(PREPARE_ALL_MAPPED, reads * count, PREPARE_AHEAD_MAX, PREPARE_MAPPED_MAX),
      .turned = prepare_share(PREPARE_ALL_TURNED, turned * count, 0, PREPARE_TURNED_MAX),
      .matmul = prepare_share(PREPARE_ALL_PRODUCTS, products * count, 0, PREPARE_PRODUCT_MAX),
      .releases = plan->step_count > PREPARE_MANY || products > PREPARE_MANY_PRODUCTS};
}

/* ---- One pass over a step, or over the arguments of one ---- */

typedef struct PrepareWorker {
  struct Preparation *preparation;
  unsigned number;
  uint64_t item; /* that it works on */
  Evaluator evaluator;
  Asking asking;
  unsigned char *bytes; /* of an item, for a keep */
} PrepareWorker;

typedef struct Preparation {
  WorkQueue queue;
  const Plan *plan;
  uint32_t step;
  Keep *keep;   /* of that step, or NULL: the sums of its two arguments */
  double *sums; /* of each item that is ahead */
  double totals[PREPARE_SUMS];
  PrepareWorker *workers;
} Preparation;

static bool prepare_go_on(void *context, Error *error) {
  PrepareWorker *worker = context;
  return work_queue_go_on(&worker->preparation->queue, worker->number, worker->item, error);
}

/* Computes an item into the worker's buffer, as it is kept. */
static bool prepare_compute(PrepareWorker *worker, const Step *step, uint64_t begin, uint64_t count,
                            Error *error) {
  Evaluator *evaluator = &worker->evaluator;
  uint32_t number = worker->preparation->step;
  if (step->stored) {
    if (dtype_bits(step->dtype) % 8 != 0)
      memset(worker->bytes, 0, (size_t)PREPARE_ITEM * sizeof(double));
    return evaluate_bytes(evaluator, number, begin, count, worker->bytes, 0, error);
  }
  for (uint64_t done = 0, size; done < count; done += size) {
    size = count - done < EVALUATE_TILE ? count - done : EVALUATE_TILE;
    const double *numbers = evaluate_numbers(evaluator, number, begin + done, size, error);
    if (numbers == NULL || !prepare_go_on(worker, error)) return false;
    encode_doubles(DTYPE_F64, numbers, done, size, worker->bytes);
  }
  return true;
}

static bool prepare_keep_item(PrepareWorker *worker, uint64_t begin, uint64_t count, Error *error) {
  const Preparation *preparation = worker->preparation;
  const Step *step = &preparation->plan->steps[preparation->step];
  unsigned bits = dtype_bits(step_kept_dtype(step));
  return prepare_compute(worker, step, begin, count, error) &&
         keep_write(preparation->keep, worker->bytes, (count * bits + 7) / 8, begin * bits / 8,
                    error);
}

/* Adds up the products of the arguments of slerp. */
static bool prepare_sum_item(PrepareWorker *worker, uint64_t begin, uint64_t count, double *sums,
                             Error *error) {
  const Preparation *preparation = worker->preparation;
  const uint32_t *args = preparation->plan->steps[preparation->step].args;
  double *held = (double *)(void *)worker->bytes;
  memset(sums, 0, PREPARE_SUMS * sizeof *sums);
  for (uint64_t done = 0, size; done < count; done += size) {
    size = count - done < EVALUATE_TILE ? count - done : EVALUATE_TILE;
    const double *a = evaluate_numbers(&worker->evaluator, args[0], begin + done, size, error);
    if (a == NULL) return false;
    memcpy(held, a, (size_t)size * sizeof *held); /* b may be computed from other elements of a */
    const double *b = evaluate_numbers(&worker->evaluator, args[1], begin + done, size, error);
    if (b == NULL || !prepare_go_on(worker, error)) return false;
    for (uint64_t i = 0; i < size; i++) {
      sums[0] += held[i] * b[i];
      sums[1] += held[i] * held[i];
      sums[2] += b[i] * b[i];
    }
  }
  return true;
}

static bool prepare_take_item(WorkQueue *queue, unsigned number, uint64_t item, Error *error) {
  Preparation *preparation = queue->context;
  PrepareWorker *worker = &preparation->workers[number];
  uint64_t begin = item * PREPARE_ITEM;
  uint64_t left = preparation->plan->steps[preparation->step].shape.numel - begin;
  uint64_t count = left < PREPARE_ITEM ? left : PREPARE_ITEM;
  double *sums = preparation->sums + item % queue->ahead * PREPARE_SUMS;
  worker->item = item;
  if (!evaluator_begin(&worker->evaluator, begin + count, error)) return false;
  bool good = preparation->keep != NULL ? prepare_keep_item(worker, begin, count, error)
                                        : prepare_sum_item(worker, begin, count, sums, error);
  return good && evaluator_end(&worker->evaluator, error);
}

static bool prepare_finish_item(void *context, uint64_t item) {
  Preparation *preparation = context;
  const double *sums = preparation->sums + item % preparation->queue.ahead * PREPARE_SUMS;
  for (unsigned i = 0; i < PREPARE_SUMS; i++) preparation->totals[i] += sums[i];
  return true;
}

static bool prepare_open_workers(Preparation *preparation, Error *error) {
  unsigned count = preparation->queue.worker_count;
  EvaluatorRoom room = prepare_room(preparation->plan, count);
  preparation->workers = memory_zeroed(count, sizeof *preparation->workers);
  preparation->sums = memory_zeroed(preparation->queue.ahead, PREPARE_SUMS * sizeof(double));
  if (preparation->workers == NULL || preparation->sums == NULL) return error_memory(error);
  for (unsigned w = 0; w < count; w++) {
    PrepareWorker *worker = &preparation->workers[w];
    worker->preparation = preparation;
    worker->number = w;
    worker->asking = (Asking){prepare_go_on, worker};
    worker->bytes = memory_alloc((uint64_t)PREPARE_ITEM * sizeof(double));
    if (worker->bytes == NULL) return error_memory(error);
    if (!evaluator_open(&worker->evaluator, preparation->plan, preparation->step, &room, error))
      return false;
    worker->evaluator.asking = &worker->asking;
  }
  return true;
}

static bool prepare_run(Preparation *preparation, const Host *host, Error *error) {
  uint64_t numel = preparation->plan->steps[preparation->step].shape.numel;
  if (numel == 0) return true;
  uint64_t count = (numel - 1) / PREPARE_ITEM + 1, threads = host->threads;
  if (threads > count / PREPARE_ITEMS_A_THREAD) threads = count / PREPARE_ITEMS_A_THREAD;
  if (threads > PREPARE_MAX_THREADS - 1) threads = PREPARE_MAX_THREADS - 1;
  preparation->queue = (WorkQueue){.count = count,
                                   .worker_count = (unsigned)threads + 1,
                                   .turn = 1,
                                   .unit = PREPARE_ITEM,
                                   .host = host,
                                   .context = preparation,
                                   .work = prepare_take_item,
                                   .finish = preparation->keep == NULL ? prepare_finish_item : NULL,
                                   .ahead = PREPARE_ITEMS_A_THREAD * (threads + 1)};
  bool good =
      prepare_open_workers(preparation, error) && work_queue_run(&preparation->queue, error);
  for (unsigned w = 0; preparation->workers != NULL && w < threads + 1; w++) {
    evaluator_close(&preparation->workers[w].evaluator);
    memory_free(preparation->workers[w].bytes);
  }
  memory_free(preparation->workers);
  memory_free(preparation->sums);
  return good;
}

/* ---- What is prepared ---- */

static bool prepare_keep(Plan *plan, uint32_t number, Keep **keep, uint64_t *in_memory,
                         const Host *host, Error *error) {
  const Step *step = &plan->steps[number];
  uint64_t nbytes = (step->shape.numel * dtype_bits(step_kept_dtype(step)) + 7) / 8;
  keep_free(*keep); /* of an attempt that was cancelled */
  *keep = keep_new(nbytes, *in_memory, error);
  if (*keep == NULL) return false;
  if (nbytes <= *in_memory) *in_memory -= nbytes;
  Preparation preparation = {.plan = plan, .step = number, .keep = *keep};
  bool good = step->kind == STEP_WHOLE ? prepare_whole(plan, number, *keep, host, error)
                                       : prepare_run(&preparation, host, error);
  if (!good) return false;
  Source source = keep_source(*keep);
  for (uint32_t i = number + 1; i < plan->step_count; i++) {
    Step *reader = &plan->steps[i];
    if (reader->of_keep && reader->args[0] == number) reader->source = source;
  }
  return true;
}

/* The factors of slerp; or it becomes lerp, where the tensors are nearly parallel. */
static bool prepare_slerp(Plan *plan, uint32_t number, const Host *host, Error *error) {
  Step *step = &plan->steps[number];
  Preparation preparation = {.plan = plan, .step = number};
  Remembered remembered = {0};
  if (step->node != NULL && remember_find(plan, step->node, &remembered)) {
    memcpy(preparation.totals, remembered.numbers, sizeof preparation.totals);
    remember_clear(&remembered);
  } else if (prepare_run(&preparation, host, error)) {
    memcpy(remembered.numbers, preparation.totals, sizeof preparation.totals);
    remember_keep(plan, &remembered);
  } else {
    remember_clear(&remembered);
    return false;
  }
  double t = step->value, a = sqrt(preparation.totals[1]), b = sqrt(preparation.totals[2]);
  if (a <= 1e-8) a = 1;
  if (b <= 1e-8) b = 1;
  double cosine = preparation.totals[0] / a / b;
  if (fabs(cosine) > 0.9995) {
    step->kind = STEP_LERP;
    return true;
  }
  double angle = acos(cosine);
  step->factors[0] = sin((1 - t) * angle) / sin(angle);
  step->factors[1] = sin(t * angle) / sin(angle);
  return true;
}

/* Sets wanted[i] for the steps that the root is computed from. */
static bool *prepare_wanted(const Plan *plan) {
  bool *wanted = memory_zeroed(plan->step_count, sizeof *wanted);
  if (wanted == NULL) return NULL;
  wanted[plan->step_count - 1] = true;
  for (uint32_t i = plan->step_count; i-- > 0;) {
    const Step *step = &plan->steps[i];
    for (uint32_t a = 0; wanted[i] && a < step->arg_count; a++) wanted[step->args[a]] = true;
  }
  return wanted;
}

bool prepare_plan(Plan *plan, Keep **keeps, uint64_t count, const Host *host, Error *error) {
  uint64_t in_memory = PREPARE_IN_MEMORY;
  bool good = true, *wanted = prepare_wanted(plan);
  if (wanted == NULL) return error_memory(error);
  if (count < plan_root(plan)->shape.numel) good = direct_plan(plan, wanted, count, error);
  for (uint32_t i = 0; good && i < plan->step_count; i++) {
    if (!wanted[i]) continue;
    if (plan->steps[i].kind == STEP_SLERP) good = prepare_slerp(plan, i, host, error);
    if (good && plan->steps[i].is_kept)
      good = prepare_keep(plan, i, &keeps[i], &in_memory, host, error);
  }
  memory_free(wanted);
  return good;
}
