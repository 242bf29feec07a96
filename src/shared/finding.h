/*-------------------------------------------------------------------------
 *
 * finding.h
 *	  What the patrol has found.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DURABLE_FINDING_H
#define DURABLE_FINDING_H

#include "shared/shmem.h"

extern const char *finding_name(FindingKind kind);
extern bool finding_note(const Finding *finding);
extern int	findings_copy(Finding *findings);

#endif							/* DURABLE_FINDING_H */
