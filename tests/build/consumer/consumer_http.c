/* SPDX-License-Identifier: Apache-2.0 */
/* consumer_http.c - a program outside of weft that links the HTTP library */
#include <stdio.h>

#include <weft/http.h>

int main(void)
{
    int rc = weft_http_serve(NULL, NULL, NULL, NULL);
    printf("http refused: %s\n", weft_strerror(rc));
    return 0;
}
