/* A daemon that waits needs little of the code that its start needed: libcrypto's alone maps 3 MB. */
#pragma once

/* Gives back what the heap does not use, and the mapped pages of code and constants, ours and our libraries'. They
 * stay in the page cache as long as the system has room, and what is still used comes back by itself, 16 pages a
 * fault. A debugger's breakpoints and uprobes in them are lost. */
void resident_let_go(void);
