/* How many numbers are in each slot. Included by kernels/NAME.c, once for each set: see kernels.h.
**
** A counter can be incremented once in a cycle, so numbers are counted in pairs where there are few slots. The slots of
** some numbers are found first and counted then: while counters are stored, loads of the same lower bits of an address
** wait, which those of many numbers at a time often have. Meanwhile the next numbers are fetched.
**
** Uses from the vocabulary: Floats, Words and FLOATS; widen_DTYPE(data) or load_floats(data);
** near_places(numbers, scale, offset), numbers * scale + offset, and near_places_F64(data, scale, offset), the same of
** FLOATS doubles; nearer_integers(distances, places), the smaller ones of `distances` and of how far the places are from
** integers; any_float_less(a, b); truncate_floats(numbers) and round_floats(numbers), as words; floats_at(numbers, words), those with
** these indexes; one_less_if(words, a, b), words - (a < b); join_words(a, b, stride), a * stride + b,
** of words below 2^8; store_short_words(out, a, b), the lower halves of both, in any order; doubles_DTYPE(data, part);
** and prefetch(data). */

enum { SET(FOUND_GROUP) = 64, SET(FOUND_PIECE) = 4096 };

typedef struct {
  SET(Floats) scale, offset, first, last, doubt;
  SET(Words) stride;
  double exact_scale, exact_offset;
  const float *edges; /* by the slot that begins there */
} SET(Slots);

static SET(INLINE) SET(Slots) SET(load_slots)(const Slots *slots) {
  SET(Slots) all;
  all.scale = SET(all_floats)((float)slots->scale);
  all.offset = SET(all_floats)((float)slots->offset);
  all.first = SET(all_floats)((float)slots_first_place());
  all.last = SET(all_floats)((float)slots_last_place(slots));
  all.doubt = SET(all_floats)((float)slots->doubt);
  all.stride = SET(all_words)(slots->bins + 2);
  all.exact_scale = slots->scale;
  all.exact_offset = slots->offset;
  all.edges = slots->floats;
  return all;
}

/* The places of FLOATS elements, limited to the slots. Without `widen` they are doubles. */
static SET(INLINE) SET(Floats)
    SET(limited_places)(const SET(Slots) *all, SET(Widen) *widen, const unsigned char *data) {
  SET(Floats) places = widen != NULL
                           ? SET(near_places)(widen(data), all->scale, all->offset)
                           : SET(near_places_F64)(data, all->exact_scale, all->exact_offset);
  return SET(max_floats)(SET(min_floats)(places, all->last), all->first);
}

/* Writes what is counted of a group: slots, or pairs of them. They are found from the places, and *doubt is set to
** whether any is in doubt; or without `doubt`, from the edges. */
static SET(INLINE) void SET(find_slots)(const SET(Slots) *all, SET(Widen) *widen, uint64_t size,
                                        const unsigned char *data, bool paired, bool *doubt,
                                        uint16_t *out) {
  enum { FOUND_FLOATS = SET(FLOATS) };
  SET(Floats) distances = SET(all_floats)(1);
  SET(UNROLL) for (unsigned i = 0; i < SET(FOUND_GROUP) / (4 * FOUND_FLOATS); i++) {
    SET(Words) slots[4];
    SET(UNROLL) for (unsigned j = 0; j < 4; j++, data += FOUND_FLOATS * size) {
      SET(Floats) places = SET(limited_places)(all, widen, data);
      if (doubt != NULL) {
        distances = SET(nearer_integers)(distances, places);
        slots[j] = SET(truncate_floats)(places);
      } else {
        SET(Words) next = SET(round_floats)(places);
        slots[j] = SET(one_less_if)(next, widen(data), SET(floats_at)(all->edges, next));
      }
    }
    if (paired) {
      SET(store_short_words)(out, SET(join_words)(slots[0], slots[1], all->stride),
                             SET(join_words)(slots[2], slots[3], all->stride));
      out += 2 * FOUND_FLOATS;
    } else {
      SET(store_short_words)(out, slots[0], slots[1]);
      SET(store_short_words)(out + 2 * FOUND_FLOATS, slots[2], slots[3]);
      out += 4 * FOUND_FLOATS;
    }
  }
  if (doubt != NULL) *doubt = SET(any_float_less)(distances, all->doubt);
}

/* The same of `count` elements, at most FOUND_GROUP, from the edges, one after the other. Returns how many are
** counted. */
static SET(INLINE) unsigned SET(find_few_slots)(SET(DoublesOf) *doubles, uint64_t size,
                                                const unsigned char *data, uint64_t count,
                                                const Slots *slots, uint16_t *out) {
  enum { FOUND_DOUBLES = SET(FOUND_GROUP) / SET(DOUBLES) };
  unsigned char last[SET(FOUND_GROUP) *sizeof(double)] = {0};
  double numbers[SET(FOUND_GROUP) + 1];
  if (count < SET(FOUND_GROUP)) {
    memcpy(last, data, (size_t)(count * size));
    data = last;
  }
  for (unsigned p = 0; p < FOUND_DOUBLES; p++) {
    SET(store_doubles)(numbers + p * SET(DOUBLES), doubles(data, p));
  }
  if (!slots->paired) {
    for (uint64_t i = 0; i < count; i++) out[i] = (uint16_t)slots_find(slots, numbers[i]);
    return (unsigned)count;
  }
  numbers[count] = (double)NAN;
  for (uint64_t i = 0; i < count; i += 2) {
    uint32_t pair = slots_find(slots, numbers[i]) * (slots->bins + 2);
    out[i / 2] = (uint16_t)(pair + slots_find(slots, numbers[i + 1]));
  }
  return (unsigned)(count + 1) / 2;
}

/* The same of a whole group, which is in doubt. */
static SET(INLINE) void SET(find_slots_by_edges)(const SET(Slots) *all, SET(Widen) *widen,
                                                 SET(DoublesOf) *doubles, uint64_t size,
                                                 const unsigned char *data, const Slots *slots,
                                                 bool paired, uint16_t *out) {
  if (widen != NULL) {
    SET(find_slots)(all, widen, size, data, paired, NULL, out);
  } else {
    SET(find_few_slots)(doubles, size, data, SET(FOUND_GROUP), slots, out);
  }
}

/* Increments the counters, and fetches what follows `next`, `step` bytes for each 8 of them. */
static SET(INLINE) void SET(count_found)(const uint16_t *found, unsigned count, uint64_t step,
                                         const unsigned char *next, uint64_t apart,
                                         uint32_t *counts) {
  uint32_t *const turns[SLOTS_TURNS] = {counts, counts + apart, counts + 2 * apart,
                                        counts + 3 * apart};
  unsigned i = 0;
  for (; count - i >= 8; i += 8, next += step) {
    SET(prefetch)(next);
    KERNEL_UNROLL for (unsigned j = 0; j < 8; j++) turns[j % SLOTS_TURNS][found[i + j]]++;
  }
  for (; i < count; i++) counts[found[i]]++;
}

static SET(INLINE) void SET(count_slots_of)(SET(Widen) *widen, SET(DoublesOf) *doubles,
                                            uint64_t size, const unsigned char *data,
                                            uint64_t count, const Slots *slots, bool paired,
                                            uint32_t *counts) {
  const SET(Slots) all = SET(load_slots)(slots);
  const unsigned together = paired ? 2 : 1;
  uint16_t found[SET(FOUND_PIECE)];
  while (count > 0) {
    unsigned filled = 0;
    while (count >= SET(FOUND_GROUP) &&filled < SET(FOUND_PIECE) / together) {
      bool doubt;
      SET(find_slots)(&all, widen, size, data, paired, &doubt, found + filled);
      if (doubt) {
        SET(find_slots_by_edges)(&all, widen, doubles, size, data, slots, paired, found + filled);
      }
      filled += SET(FOUND_GROUP) / together;
      data += SET(FOUND_GROUP) *size;
      count -= SET(FOUND_GROUP);
    }
    if (filled == 0) {
      filled = SET(find_few_slots)(doubles, size, data, count, slots, found);
      count = 0;
    }
    SET(count_found)(found, filled, 8 * together * size, data, slots->apart, counts);
  }
}

#define COUNT_SLOTS(dtype, size, widen)                                                          \
  static SET(TARGET) void SET(count_slots_##dtype)(const unsigned char *data, uint64_t count,    \
                                                   const Slots *slots, uint32_t *counts) {       \
    if (slots->paired) {                                                                         \
      SET(count_slots_of)(widen, SET(doubles_##dtype), size, data, count, slots, true, counts);  \
    } else {                                                                                     \
      SET(count_slots_of)(widen, SET(doubles_##dtype), size, data, count, slots, false, counts); \
    }                                                                                            \
  }
COUNT_SLOTS(F32, 4, SET(load_floats))
COUNT_SLOTS(F64, 8, NULL)
COUNT_SLOTS(F16, 2, SET(widen_F16))
COUNT_SLOTS(BF16, 2, SET(widen_BF16))
#undef COUNT_SLOTS
