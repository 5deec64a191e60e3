#include "agent/base/resident.h"

#include <link.h>
#include <malloc.h>
#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

/* Only segments that nobody may write: what was relocated and is now read-only lies in one that is writable, and its
 * pages are nowhere else. The first and last page, where they are shared with another segment, stay. */
static int let_go_of(struct dl_phdr_info *object, size_t n, void *page)
{
	uintptr_t page_bytes = *(const uintptr_t *)page;

	(void)n;
	for (unsigned int i = 0; i < object->dlpi_phnum; i++) {
		const ElfW(Phdr) *p = &object->dlpi_phdr[i];
		uintptr_t from = object->dlpi_addr + p->p_vaddr, to = from + p->p_filesz;

		from = (from + page_bytes - 1) & ~(page_bytes - 1);
		to &= ~(page_bytes - 1);
		if (p->p_type == PT_LOAD && !(p->p_flags & PF_W) && from < to)
			madvise((void *)from, to - from, MADV_DONTNEED);
	}
	return 0;
}

void resident_let_go(void)
{
	uintptr_t page_bytes = (uintptr_t)sysconf(_SC_PAGESIZE);

	malloc_trim(0);
	dl_iterate_phdr(let_go_of, &page_bytes);
}
