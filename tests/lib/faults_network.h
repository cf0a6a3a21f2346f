/* What the tests of faults run over checkpoints at addresses. */
#ifndef FAULTS_NETWORK_H
#define FAULTS_NETWORK_H

#include "faults_scripts.h"

/* Starts a server on loopback, and runs all scripts over it; nothing, with a word, where there is no libcurl. */
void run_network_scripts(void (*run)(const Script *script));

#endif
