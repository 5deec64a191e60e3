/* The courier itself: a process that asks over HTTP what it is told to, and hands back what comes. */
#pragma once

#define COURIER_ROLE "courier" /* its argv[1] */
#define COURIER_FD   3         /* its socket */

/* Where it leaves a record, should it crash; perhaps it has none. */
#define COURIER_RECORD_FD 4

/* Its whole life: until the socket ends. */
_Noreturn void courier_role(void);
