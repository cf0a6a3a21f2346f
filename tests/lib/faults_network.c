#include "faults_network.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "loopback_server.h"
#include "program.h"

#define COLUMNS "name, dtype, shape, nbytes, offset, file, ref"

/* "@" stands for the server's address. */
static const Script scripts[] = {
    {"a file of the web", STAGE_SCRIPT,
     "SELECT name, shape, tensor_json(ref) FROM safetensors_tensors('@/web/sub/1.safetensors')"},
    {"a repository", STAGE_SCRIPT, "SELECT " COLUMNS " FROM safetensors_tensors('hf://o/r')"},
    {"a shard of a commit", STAGE_STEPS,
     "SELECT tensor_hash('hf://o/r@" LOOPBACK_COMMIT "/2.safetensors#ab'), * FROM "
     "safetensors_files('hf://o/r/*.safetensors')"},
    {"weights at the hub", STAGE_STEPS,
     "SELECT name, shape, status FROM safetensors_weights('hf://o/r')"},
    {"objects of a store", STAGE_STEPS,
     "SELECT name, file FROM safetensors_tensors('s3://b/run/*/x.safetensors'); "
     "SELECT file, size, status FROM safetensors_files('s3://b/run/1')"},
    {"bytes of a store", STAGE_STEPS,
     "SELECT hex(tensor_data('s3://b/run/1/x.safetensors#bias')), "
     "tensor_equal('s3://b/run/1/x.safetensors#bias', '@/web/sub/1.safetensors#bias')"},
    {"a file that changes", STAGE_STEPS,
     "SELECT name FROM safetensors_tensors('@/web/sub/1.safetensors?change')"},
    {"a bad file", STAGE_STEPS, "SELECT name FROM safetensors_tensors('@/web/bad')"},
    {"no such file", STAGE_STEPS, "SELECT name FROM safetensors_tensors('@/web/none')"},
    {"no such repository", STAGE_STEPS, "SELECT name FROM safetensors_tensors('hf://o/none')"},
    {"no such file of one", STAGE_STEPS,
     "SELECT name FROM safetensors_tensors('hf://o/r/none.safetensors')"},
    {"http elsewhere", STAGE_STEPS,
     "SELECT name FROM safetensors_tensors('http://example.invalid/x.safetensors')"},
    {"what is written of the network", STAGE_STEPS,
     "INSERT INTO safetensors_write(path, name, data, mode) SELECT 'w/n.safetensors', name, ref, "
     "'replace' FROM safetensors_tensors('s3://b/run/2/x.safetensors'); "
     "SELECT tensor_hash('w/n.safetensors#extra')"},
};

/* The script with the server's address in it. malloc()ed. */
static char *with_address(const char *sql, const char *address) {
  char *text = malloc(strlen(sql) + 10 * strlen(address)), *out = text;
  if (text == NULL) stop("malloc");
  for (; *sql != '\0'; sql++) {
    if (*sql != '@' || sql[1] != '/') {
      *out++ = *sql;
    } else {
      out += sprintf(out, "%s", address);
    }
  }
  *out = '\0';
  return text;
}

static void write_text(const char *name, const char *text) {
  FILE *file = fopen(name, "w");
  if (file == NULL || fputs(text, file) < 0 || fclose(file) != 0) stop(name);
}

/* What the environment says, some of it by files. */
static void set_up(const char *address) {
  char store[128];
  snprintf(store, sizeof store, "%s/store", address);
  write_text("token", " hf_test\n");
  write_text("credentials",
             "[default]\naws_access_key_id = A\naws_secret_access_key = B\n"
             "aws_session_token = C\n");
  write_text("profiles", "[default]\nregion = eu-west-1\n");
  const struct {
    const char *name, *value;
  } variables[] = {{"SAFETENSORS_NETWORK", "on"},
                   {"HF_ENDPOINT", address},
                   {"HF_TOKEN_PATH", "token"},
                   {"AWS_ENDPOINT_URL", store},
                   {"AWS_SHARED_CREDENTIALS_FILE", "credentials"},
                   {"AWS_CONFIG_FILE", "profiles"},
                   {"XDG_CACHE_HOME", "xdg"},
                   {"no_proxy", "127.0.0.1"}};
  for (size_t i = 0; i < sizeof variables / sizeof variables[0]; i++) {
    if (setenv(variables[i].name, variables[i].value, 1) != 0) stop("setenv");
  }
}

void run_network_scripts(void (*run)(const Script *script)) {
  void *library = dlopen("libcurl.so.4", RTLD_NOW | RTLD_LOCAL);
  if (library == NULL) {
    printf("skipped: faults of the network (no libcurl)\n");
    return;
  }
  const char *address = loopback_server_start();
  set_up(address);
  for (size_t i = 0; i < 2 * sizeof scripts / sizeof scripts[0]; i++) {
    Script script = scripts[i / 2];
    char *sql = with_address(script.sql, address);
    script.sql = sql;
    setenv("SAFETENSORS_HEADER_CACHE", i % 2 == 0 ? "off" : "on", 1);
    if (i % 2 == 0 || strncmp(script.sql + 7, "tensor_hash", 11) == 0) run(&script);
    free(sql);
  }
  unsetenv("SAFETENSORS_NETWORK");
}
