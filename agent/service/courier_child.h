/* The courier itself: a process that asks over HTTP what it is told to, and hands back what comes. */
#pragma once

#define COURIER_ROLE "courier" /* its argv[1] */
#define COURIER_FD   3         /* its socket */

/* Its whole life: until the socket ends. */
_Noreturn void courier_role(void);
