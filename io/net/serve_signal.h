/* SPDX-License-Identifier: Apache-2.0 */
/* serve_signal.h - SIGTERM and SIGINT begin the shutdown while a service runs */
#ifndef WF_SERVE_SIGNAL_H
#define WF_SERVE_SIGNAL_H

/*
 * wf_serve_signals_begin - install the handlers with the first of any number of services
 * wf_serve_signals_end - put back what was there with the last one
 * Return: 0 or -errno of sigaction(2).
 */
int wf_serve_signals_begin(void);
void wf_serve_signals_end(void);

#endif
