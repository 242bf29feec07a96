/*-------------------------------------------------------------------------
 *
 * portal.h
 *	  A portal for procedures that COMMIT in a background process.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DURABLE_PORTAL_H
#define DURABLE_PORTAL_H

#include "utils/portal.h"

extern Portal portal_begin(void);
extern void portal_end(Portal portal);

#endif							/* DURABLE_PORTAL_H */
