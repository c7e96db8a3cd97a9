#ifndef BENCH_FLOOR_H
#define BENCH_FLOOR_H

#define COUNT(list) (sizeof(list) / sizeof((list)[0]))

enum { DEVICES = 6 };

/* Descriptors of what the tree is made from. */
struct sources {
    int root;
    int directory; /* a copy of its mounts, as all that is bound */
    int *binds;    /* the caller's room for some more */
    long count;
    int null;
    int devices[DEVICES];
};

/* The result, or the end of the process that calls it. */
int must(long result, const char *what);

void open_sources(struct sources *sources, const char *directory);

void make_tree(const struct sources *sources, const char *directory);

#endif
