/*-------------------------------------------------------------------------
 *
 * trouble.h
 *	  What keeps a whole database from its work: a full disk, and its like.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DURABLE_TROUBLE_H
#define DURABLE_TROUBLE_H

#include "utils/elog.h"

extern bool trouble_may_be(int sqlstate);
extern void trouble_name_database(const char *name);
extern bool trouble_hides(const ErrorData *edata);
extern void trouble_note(const ErrorData *edata);
extern long trouble_delay(void);
extern bool trouble_in(Oid dbid);
extern void trouble_over(bool wrote);
extern char *trouble_why(void);

#endif							/* DURABLE_TROUBLE_H */
