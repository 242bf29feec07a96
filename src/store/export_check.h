/*-------------------------------------------------------------------------
 *
 * export_check.h
 *	  Is an exported history one that a run can have?
 *
 *-------------------------------------------------------------------------
 */
#ifndef DURABLE_EXPORT_CHECK_H
#define DURABLE_EXPORT_CHECK_H

#include "store/export.h"

extern void export_check(const Export *export, int nevents);

#endif							/* DURABLE_EXPORT_CHECK_H */
