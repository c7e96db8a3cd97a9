#ifndef BENCH_FLOOR_H
#define BENCH_FLOOR_H

#define COUNT(list) (sizeof(list) / sizeof((list)[0]))

enum { DEVICES = 6 };

/* Descriptors of what the tree is made from. */
struct sources {
    int root;
    int directory; /* a copy of its mounts, to be attached */
    int bound;     /* the same directory, to be copied again */
    int devices[DEVICES];
};

/* The result, or the end of the process that calls it. */
int must(long result, const char *what);

struct sources open_sources(const char *directory);

void make_tree(const struct sources *sources, const char *directory,
               long binds);

#endif
