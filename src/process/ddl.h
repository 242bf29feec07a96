/*-------------------------------------------------------------------------
 *
 * ddl.h
 *	  Statements that concern the engine as a whole.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DURABLE_DDL_H
#define DURABLE_DDL_H

extern void durable_ddl_init(void);

#endif							/* DURABLE_DDL_H */
