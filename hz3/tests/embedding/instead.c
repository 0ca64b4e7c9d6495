/* A C program that was linked with hz3 in place of malloc. Prints the variant it runs on. */
#include <hz3/hz3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int main(void) {
  char* text = strdup("a block the C library made");
  void* large = aligned_alloc(1 << 21, 5 << 20);
  const int ours = hz3_usable_size(text) >= 27 && hz3_usable_size(large) == 5 << 20 &&
                   hz3_expand(text, hz3_usable_size(text)) == text;
  free(large);
  free(text);
  const char* variant = strstr(hz3_build_info(), "\"variant\": \"");
  printf("%s %.40s\n", ours ? "ours" : "not ours", variant != NULL ? variant : "");
  return ours ? 0 : 1;
}
