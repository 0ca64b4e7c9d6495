/* A C program with two allocators: the C library's malloc, and hz3 under its own names. Blocks of
 * each are used and freed at once, by threads that come and go, and in a forked child; neither may
 * notice the other. Prints "ok", or what is wrong. */
#include <dlfcn.h>
#include <hz3/hz3.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { kBlocks = 400, kRounds = 20000 };

static int wrong(const char* what) {
  printf("wrong: %s\n", what);
  fflush(stdout);
  _exit(1);
}

static uint32_t next(uint32_t* state) {
  *state = *state * 1664525u + 1013904223u;
  return *state >> 8;
}

static void* use_both(void* seed) {
  unsigned char* ours[kBlocks] = {0};
  unsigned char* libcs[kBlocks] = {0};
  size_t sizes[kBlocks] = {0};
  uint32_t state = (uint32_t)(uintptr_t)seed;
  for (int round = 0; round < kRounds; ++round) {
    const uint32_t i = next(&state) % kBlocks;
    if (ours[i] != NULL) {
      if (ours[i][0] != (unsigned char)i || libcs[i][0] != (unsigned char)~i) wrong("a block changed");
      if (memcmp(ours[i] + 1, libcs[i] + 1, sizes[i] - 1) != 0) wrong("a block changed inside");
    }
    hz3_free(ours[i]);
    free(libcs[i]);
    sizes[i] = 1 + next(&state) % (round % 50 == 0 ? 3000000 : 3000);
    ours[i] = round % 3 == 0 ? hz3_calloc(1, sizes[i]) : hz3_malloc(sizes[i]);
    libcs[i] = malloc(sizes[i]);
    if (ours[i] == NULL || libcs[i] == NULL) wrong("no memory");
    memset(ours[i], (int)round, sizes[i]);
    memset(libcs[i], (int)round, sizes[i]);
    ours[i][0] = (unsigned char)i;
    libcs[i][0] = (unsigned char)~i;
    if (round % 7 == 0) {
      ours[i] = hz3_realloc(ours[i], sizes[i] + 100);
      if (hz3_usable_size(ours[i]) < sizes[i] + 100) wrong("realloc");
    }
  }
  for (int i = 0; i < kBlocks; ++i) {
    hz3_free(ours[i]);
    free(libcs[i]);
  }
  return NULL;
}

static void run_threads(void) {
  pthread_t threads[4];
  for (uintptr_t i = 0; i < 4; ++i) {
    if (pthread_create(&threads[i], NULL, use_both, (void*)(i + 1)) != 0) wrong("pthread_create");
  }
  for (int i = 0; i < 4; ++i) pthread_join(threads[i], NULL);
}

int main(void) {
  Dl_info of_malloc;
  if (dladdr(dlsym(RTLD_DEFAULT, "malloc"), &of_malloc) == 0 ||
      strstr(of_malloc.dli_fname, "libc.so") == NULL)
    wrong("malloc is not the C library's");
  if (strstr(hz3_build_info(), "\"variant\"") == NULL) wrong("hz3_build_info");
  run_threads();
  const pid_t child = fork();
  if (child == 0) {
    run_threads();
    _exit(0);
  }
  int status = 0;
  if (waitpid(child, &status, 0) != child || status != 0) wrong("the child");
  char* block = hz3_malloc(100);
  if (hz3_good_size(100) < 100 || hz3_expand(block, hz3_usable_size(block)) != block)
    wrong("good size, expand");
  hz3_free(block);
  hz3_free(malloc(100)); /* a block of somebody else goes to its owner */
  hz3_trim(0);
  printf("ok\n");
  return 0;
}
