/* A file of the build as bytes of the executable: read-only and of the file, so that who never asks for it has
 * it neither copied nor resident. The section is one of its own: beside other constants the kernel would map
 * these pages with them (fault-around, 64 KiB each time).
 *
 *   EMBED(page_css, "/path/page.css");      declares page_css[] and page_css_end[]
 *
 * The file's rule in CMake needs OBJECT_DEPENDS: the compiler does not see what the assembler includes.
 */
#pragma once

#define EMBED(name, path)                                                                          \
	__asm__(".pushsection .embedded, \"a\"\n"                                                  \
	        ".balign 16\n"                                                                     \
	        ".hidden " #name "\n"                                                              \
	        ".global " #name "\n" #name ":\n"                                                  \
	        ".incbin \"" path "\"\n"                                                           \
	        ".hidden " #name "_end\n"                                                          \
	        ".global " #name "_end\n" #name "_end:\n"                                          \
	        ".popsection\n");                                                                  \
	extern const char name[], name##_end[]
