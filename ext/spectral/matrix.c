#include "spectral/matrix.h"

#include <string.h>

#include "base/memory.h"
#include "base/work_queue.h"
#include "tensor/decode.h"
#include "tensor/numbers.h"

enum {
  MATRIX_CHUNKS = 16,
  MATRIX_MAX_THREADS = 16,
  MATRIX_PANEL = 1 << 17, /* numbers of a panel: half of a second-level cache */
  MATRIX_ROOM_MAX = 256,
  MATRIX_LEAST = 1 << 16 /* numbers of a chunk: less is not worth a thread */
};

/* What the states of all chunks in work may take together, unless there is one. */
#define MATRIX_ALL_STATES ((uint64_t)4 << 20)

typedef struct MatrixWorker {
  struct MatrixPool *pool;
  unsigned number;
  uint64_t chunk;
  Reader reader;
  Walk walk;
  double *numbers; /* NUMBERS_GROUP */
  Panel panel;
  double *scratch;
  void *panel_memory, *scratch_memory;
} MatrixWorker;

typedef struct MatrixPool {
  const MatrixPass *pass;
  Numbers numbers;
  WorkQueue queue;
  uint64_t chunk_lines;
  MatrixWorker *workers;
  double *states; /* of the chunks that are ahead */
  uint64_t state_stride;
  double *merge_scratch;
  void *states_memory, *merge_memory;
} MatrixPool;

void matrix_measure(Matrix *matrix, bool turned) {
  const View *view = matrix->view;
  matrix->rows = view->shape[0];
  matrix->columns = matrix->rows > 0 ? view->numel / matrix->rows : 0;
  matrix->turned = turned;
  matrix->lines = turned ? matrix->columns : matrix->rows;
  matrix->length = turned ? matrix->rows : matrix->columns;
  matrix->padded = tiles_round_up(matrix->length);
}

uint64_t matrix_room(const MatrixPass *pass) {
  uint64_t room = MATRIX_PANEL / pass->matrix->padded;
  if (room > MATRIX_ROOM_MAX) room = MATRIX_ROOM_MAX;
  if (pass->room_most > 0 && room > pass->room_most) room = pass->room_most;
  return room < KERNEL_TILE_COLUMNS ? KERNEL_TILE_COLUMNS
                                    : room / KERNEL_TILE_COLUMNS * KERNEL_TILE_COLUMNS;
}

void panel_multiply(const Panel *panel, const double *columns, uint64_t padded, uint64_t width,
                    double *out) {
  const uint64_t tile = KERNEL_TILE_COLUMNS;
  for (uint64_t t = 0; t < padded / tile; t++) {
    TilesProduct product = {.left = panel->tiles + t * panel->room * tile,
                            .left_stride = tile,
                            .right = columns + t * tile * tile,
                            .tile_stride = padded * tile,
                            .out = out,
                            .out_stride = width,
                            .rows = panel->room,
                            .length = tile,
                            .columns = width,
                            .begins = t == 0};
    tiles_multiply(&product);
  }
}

/* ---- Reading ---- */

static bool matrix_go_on(void *context, Error *error) {
  MatrixWorker *worker = context;
  return work_queue_go_on(&worker->pool->queue, worker->number, worker->chunk, error);
}

/* The next numbers of the walk, at most `most` and at most NUMBERS_GROUP. NULL on an error. */
static const double *matrix_next(MatrixWorker *worker, uint64_t most, uint64_t *count,
                                 Error *error) {
  const Matrix *matrix = worker->pool->pass->matrix;
  Chunk chunk;
  if (most > NUMBERS_GROUP) most = NUMBERS_GROUP;
  if (!walk_next(&worker->walk, most, &chunk, error)) return NULL;
  if (chunk.stride == 1) {
    numbers_doubles(&worker->pool->numbers, chunk.data, chunk.first, chunk.count, worker->numbers);
  } else {
    decode_doubles(matrix->dtype, chunk.data, chunk.first, chunk.count, chunk.stride,
                   worker->numbers);
  }
  for (uint64_t i = 0; matrix->scale != 1 && i < chunk.count; i++)
    worker->numbers[i] *= matrix->scale;
  *count = chunk.count;
  return worker->numbers;
}

/* Puts numbers of one line, from `column` on, into the tiles. */
static void matrix_put(const Panel *panel, uint64_t line, uint64_t column, const double *numbers,
                       uint64_t count) {
  while (count > 0) {
    uint64_t within = column % KERNEL_TILE_COLUMNS, size = KERNEL_TILE_COLUMNS - within;
    if (size > count) size = count;
    double *to = panel->tiles +
                 (column / KERNEL_TILE_COLUMNS * panel->room + line) * KERNEL_TILE_COLUMNS + within;
    if (size == KERNEL_TILE_COLUMNS) {
      memcpy(to, numbers, KERNEL_TILE_COLUMNS * sizeof *to); /* without a call */
    } else {
      memcpy(to, numbers, (size_t)size * sizeof *to);
    }
    numbers += size, column += size, count -= size;
  }
}

/* Rows of the tensor, which lie one after the other. */
static bool matrix_read_rows(MatrixWorker *worker, Error *error) {
  const Matrix *matrix = worker->pool->pass->matrix;
  const Panel *panel = &worker->panel;
  walk_seek(&worker->walk, panel->first * matrix->length);
  for (uint64_t line = 0; line < panel->count; line++) {
    for (uint64_t column = 0, count; column < matrix->length; column += count) {
      const double *numbers = matrix_next(worker, matrix->length - column, &count, error);
      if (numbers == NULL) return false;
      matrix_put(panel, line, column, numbers, count);
    }
  }
  return true;
}

/* Columns of the tensor: some numbers of each row. */
static bool matrix_read_columns(MatrixWorker *worker, Error *error) {
  const Matrix *matrix = worker->pool->pass->matrix;
  const Panel *panel = &worker->panel;
  for (uint64_t row = 0; row < matrix->length; row++) {
    double *to = panel->tiles + row / KERNEL_TILE_COLUMNS * panel->room * KERNEL_TILE_COLUMNS +
                 row % KERNEL_TILE_COLUMNS;
    walk_seek(&worker->walk, row * matrix->lines + panel->first);
    for (uint64_t line = 0, count; line < panel->count; line += count) {
      const double *numbers = matrix_next(worker, panel->count - line, &count, error);
      if (numbers == NULL) return false;
      for (uint64_t i = 0; i < count; i++) to[(line + i) * KERNEL_TILE_COLUMNS] = numbers[i];
    }
    if (row % KERNEL_TILE_COLUMNS == 0 && !matrix_go_on(worker, error)) return false;
  }
  return true;
}

/* ---- Work ---- */

static double *matrix_state(const MatrixPool *pool, uint64_t chunk) {
  return pool->states + chunk % pool->queue.ahead * pool->state_stride;
}

static bool matrix_take_chunk(WorkQueue *queue, unsigned number, uint64_t chunk, Error *error) {
  MatrixPool *pool = queue->context;
  const MatrixPass *pass = pool->pass;
  const Matrix *matrix = pass->matrix;
  MatrixWorker *worker = &pool->workers[number];
  Panel *panel = &worker->panel;
  uint64_t end = (chunk + 1) * pool->chunk_lines;
  if (end > matrix->lines) end = matrix->lines;
  double *state = matrix_state(pool, chunk);
  memset(state, 0, (size_t)pass->state_count * sizeof *state);
  worker->chunk = chunk;
  for (uint64_t line = chunk * pool->chunk_lines; line < end; line += panel->count) {
    panel->first = line;
    panel->count = end - line < panel->room ? end - line : panel->room;
    if (panel->count < panel->room)
      memset(panel->tiles, 0, (size_t)(panel->room * matrix->padded) * sizeof *panel->tiles);
    bool good =
        matrix->turned ? matrix_read_columns(worker, error) : matrix_read_rows(worker, error);
    if (!good || !matrix_go_on(worker, error)) return false;
    pass->panel(pass->task, panel, worker->scratch, state);
  }
  return true;
}

static bool matrix_finish_chunk(void *context, uint64_t chunk) {
  MatrixPool *pool = context;
  pool->pass->merge(pool->pass->task, matrix_state(pool, chunk), pool->merge_scratch);
  return true;
}

static bool matrix_open_worker(MatrixPool *pool, unsigned number, Error *error) {
  const MatrixPass *pass = pool->pass;
  const Matrix *matrix = pass->matrix;
  MatrixWorker *worker = &pool->workers[number];
  worker->pool = pool;
  worker->number = number;
  worker->numbers = memory_zeroed(NUMBERS_GROUP, sizeof *worker->numbers);
  if (worker->numbers == NULL) return error_memory(error);
  worker->panel.room = matrix_room(pass);
  worker->panel.tiles =
      tiles_memory(worker->panel.room * matrix->padded, &worker->panel_memory, error);
  worker->scratch = tiles_memory(pass->scratch_count, &worker->scratch_memory, error);
  if (worker->panel.tiles == NULL || worker->scratch == NULL) return false;
  if (!reader_open_for_pass(&worker->reader, matrix->source, error)) return false;
  worker->reader.asking = (Asking){matrix_go_on, worker};
  return walk_open(&worker->walk, matrix->view, dtype_bits(matrix->dtype), &worker->reader, error);
}

static bool matrix_open(MatrixPool *pool, Error *error) {
  uint64_t count = pool->queue.worker_count;
  pool->state_stride = tiles_round_up(pool->pass->state_count);
  pool->states = tiles_memory(pool->queue.ahead * pool->state_stride, &pool->states_memory, error);
  pool->merge_scratch = tiles_memory(pool->pass->scratch_count, &pool->merge_memory, error);
  if (pool->states == NULL || pool->merge_scratch == NULL) return false;
  pool->workers = memory_zeroed(count, sizeof *pool->workers);
  if (pool->workers == NULL) return error_memory(error);
  for (unsigned w = 0; w < count; w++) {
    if (!matrix_open_worker(pool, w, error)) return false;
  }
  return true;
}

static void matrix_close(MatrixPool *pool) {
  for (unsigned w = 0; pool->workers != NULL && w < pool->queue.worker_count; w++) {
    MatrixWorker *worker = &pool->workers[w];
    if (worker->pool == NULL) break;
    walk_close(&worker->walk);
    reader_close(&worker->reader);
    memory_free(worker->numbers);
    memory_free(worker->panel_memory);
    memory_free(worker->scratch_memory);
  }
  memory_free(pool->workers);
  memory_free(pool->states_memory);
  memory_free(pool->merge_memory);
}

static void matrix_plan(MatrixPool *pool, const Host *host) {
  const Matrix *matrix = pool->pass->matrix;
  uint64_t room = matrix_room(pool->pass), least = MATRIX_LEAST / matrix->padded;
  uint64_t lines = (matrix->lines - 1) / MATRIX_CHUNKS + 1;
  if (lines < least) lines = least;
  lines = (lines + room - 1) / room * room;
  uint64_t chunks = (matrix->lines - 1) / lines + 1, threads = host != NULL ? host->threads : 0;
  uint64_t states = MATRIX_ALL_STATES / (pool->pass->state_count + 1);
  if (threads > chunks - 1) threads = chunks - 1;
  if (threads > MATRIX_MAX_THREADS - 1) threads = MATRIX_MAX_THREADS - 1;
  if (states < threads + 1) threads = states > 0 ? states - 1 : 0;
  pool->chunk_lines = lines;
  pool->queue = (WorkQueue){.count = chunks,
                            .worker_count = (unsigned)threads + 1,
                            .turn = 1,
                            .unit = lines * matrix->length,
                            .host = host,
                            .context = pool,
                            .work = matrix_take_chunk,
                            .finish = pool->pass->merge != NULL ? matrix_finish_chunk : NULL,
                            .ahead = threads + 1};
  if (states > 2 * (threads + 1)) pool->queue.ahead *= 2;
}

bool matrix_run(const MatrixPass *pass, const Host *host, Error *error) {
  MatrixPool pool = {.pass = pass};
  if (pass->matrix->lines == 0 || pass->matrix->length == 0) return true;
  numbers_open(&pool.numbers, pass->matrix->dtype);
  matrix_plan(&pool, host);
  bool good = matrix_open(&pool, error) && work_queue_run(&pool.queue, error);
  matrix_close(&pool);
  return good;
}
