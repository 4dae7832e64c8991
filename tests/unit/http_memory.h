/* SPDX-License-Identifier: Apache-2.0 */
/* http_memory.h - a connection in memory: the bytes of a client in, those of the server out */
#ifndef WF_HTTP_MEMORY_H
#define WF_HTTP_MEMORY_H

#include "io/http/http_session.h"

struct memory_io {
    struct wf_http_io io;
    const char *in;
    size_t in_len, in_pos;
    size_t cut;   /* != 0: the first piece is so long, the rest follows whole */
    size_t piece; /* != 0: pieces of this size */
    bool eof;     /* after the input: the end of the stream; else silence until the deadline */
    bool stop;
    bool no_linger; /* the session is given back after each batch */
    int send_error; /* every send fails with it */
    int64_t clock;
    char *out;
    size_t out_len, out_cap;
    unsigned sends; /* sends with something in them */
    unsigned receives;
};

/* One run over a whole connection. */
struct memory_run {
    char *out; /* NUL-terminated, Date and Server lines taken out */
    size_t len;
    enum wf_http_end end;
    unsigned sends;
    char statuses[256]; /* "200 404 C": C closed, D closed after draining, I idle */
};

void memory_io_init(struct memory_io *io, const char *in, size_t len);
void memory_io_fini(struct memory_io *io);

/* Serves until the connection is over or idle with no input left. */
void memory_serve(const struct wf_http_config *config, struct memory_io *io,
                  struct memory_run *run);
void memory_run_free(struct memory_run *run);

/* The handler of the tests; the path says what it does, see http_memory.c. */
int memory_handler(weft_http_request *request, weft_http_response *response, void *arg);

/* struct http_case: what a client sends and how it is answered. */
struct http_case {
    const char *name;
    const char *in;
    size_t in_len;
    const char *statuses;
    const char *contains; /* in the output; NULL: anything */
};

extern const struct http_case http_cases[];
extern const size_t http_case_count;

/* The limits the cases are written for. */
void http_case_config(struct wf_http_config *config);

#endif
