/* What the machine has, and what the process may use. If the system does not report a number, it is
** 0 unless the comment says otherwise. */
#ifndef SAFETENSORS_BASE_MACHINE_H
#define SAFETENSORS_BASE_MACHINE_H

#include <stdint.h>

/* Bytes of memory that the machine has. */
uint64_t machine_memory(void);

/* How many descriptors the process may have open. */
uint64_t machine_max_descriptors(void);

/* How many mappings the process may have; Linux's default if the system does not report it. */
uint64_t machine_max_mappings(void);

#endif
