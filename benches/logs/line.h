/* The lines that programs of this benchmark print: the line's number says all of the line, so that
 * whoever counts lines can tell which one is missing, there twice, or not whole. */
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#define LINE_MAX_BYTES 160

/* Writes line `number`, its end included, and returns its length: 60 to 139 bytes, 99.5 on
 * average, as varied as lines of a service are. */
static inline size_t line_of(uint64_t number, char *into) {
    static const char *const words[] = {
        "GET /mcp tools/call", "statement done", "session opened", "answer sent",
        "row limit reached", "token accepted", "GET /readyz", "pool grew",
    };
    uint64_t mix = (number + 1) * 0x9e3779b97f4a7c15ULL;
    mix ^= mix >> 29;
    mix *= 0xbf58476d1ce4e5b9ULL;
    mix ^= mix >> 32;
    size_t length = 60 + mix % 80;
    int used = snprintf(into, LINE_MAX_BYTES, "%012llu %s id=%016llx ", (unsigned long long)number,
                        words[mix >> 61], (unsigned long long)mix);
    for (size_t at = used; at < length - 1; at++) into[at] = 'a' + (at * 7 + mix) % 26;
    into[length - 1] = '\n';
    return length;
}
