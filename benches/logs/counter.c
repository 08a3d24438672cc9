/* Reads numbered lines from its standard input and says how many came as they were printed, one
 * after the other, and how many were missing, there again, or not whole. */
#include <stdlib.h>

#include "line.h"

int main(void) {
    static char seen[1 << 20], expected[LINE_MAX_BYTES];
    unsigned long long next = 0, whole = 0, missing = 0, again = 0, broken = 0;
    while (fgets(seen, sizeof seen, stdin)) {
        uint64_t number = strtoull(seen, NULL, 10);
        size_t length = line_of(number, expected);
        if (strlen(seen) != length || memcmp(seen, expected, length) != 0) {
            broken++;
        } else if (number < next) {
            again++;
        } else {
            whole++;
            missing += number - next;
            next = number + 1;
        }
    }
    printf("%llu %llu %llu %llu\n", whole, missing, again, broken);
    return 0;
}
