/*-------------------------------------------------------------------------
 *
 * extension.h
 *	  Is the extension in this database, whose is it, and does its SQL fit this
 *	  library.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DURABLE_EXTENSION_H
#define DURABLE_EXTENSION_H

/* SQLSTATEs of api.md, "Errors" */
#define ERRCODE_WF_ACTIVITY_FAILED		MAKE_SQLSTATE('W','F','0','0','1')
#define ERRCODE_WF_ACTIVITY_TIMED_OUT	MAKE_SQLSTATE('W','F','0','0','2')
#define ERRCODE_WF_CANCELLED			MAKE_SQLSTATE('W','F','0','0','3')
#define ERRCODE_WF_CHILD_FAILED			MAKE_SQLSTATE('W','F','0','0','4')
#define ERRCODE_WF_NOT_FOUND			MAKE_SQLSTATE('W','F','0','0','5')
#define ERRCODE_WF_ALREADY_RUNNING		MAKE_SQLSTATE('W','F','0','0','6')
#define ERRCODE_WF_ALREADY_CLOSED		MAKE_SQLSTATE('W','F','0','0','7')
#define ERRCODE_WF_NONDETERMINISM		MAKE_SQLSTATE('W','F','0','0','8')
#define ERRCODE_WF_NOT_IN_WORKFLOW		MAKE_SQLSTATE('W','F','0','0','9')
#define ERRCODE_WF_FENCED				MAKE_SQLSTATE('W','F','0','1','0')
#define ERRCODE_WF_LIMIT				MAKE_SQLSTATE('W','F','0','1','1')
#define ERRCODE_WF_FAILED				MAKE_SQLSTATE('W','F','0','1','2')
#define ERRCODE_WF_TASK_LOST			MAKE_SQLSTATE('W','F','0','1','3')
#define ERRCODE_WF_UPDATE_REJECTED		MAKE_SQLSTATE('W','F','0','1','4')
#define ERRCODE_WF_TIMEOUT				MAKE_SQLSTATE('W','F','0','1','5')
#define ERRCODE_WF_OWN_TRANSACTION		MAKE_SQLSTATE('W','F','0','1','6')

extern bool durable_lock_installed(void);
extern Oid	durable_schema(void);
extern Oid	durable_owner(void);
extern Oid	durable_extension_oid(void);
extern void durable_check_version(void);
extern void durable_extension_init(void);

#endif							/* DURABLE_EXTENSION_H */
