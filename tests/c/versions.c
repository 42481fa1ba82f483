/* Two models with a runtime each, see part.c. */
#include "check.h"

float run_first(float x);
float run_second(float x);

int main(void) {
  CHECK(run_first(3) == 5);
  CHECK(run_second(3) == 12);
  CHECK(run_first(10) == 12);
  return 0;
}
