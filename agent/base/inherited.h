/* Which signals this process was given as ignored and as blocked. It changes some for itself; a program
 * of somebody else's that it runs has to get them as they were. */
#pragma once

/* Before any of them is changed. */
void inherited_signals_note(void);

/* This one alone, as it was given. */
void inherited_signal_restore(int number);

/* In a child, before exec. Everything else is the default. */
void inherited_signals_restore(void);
