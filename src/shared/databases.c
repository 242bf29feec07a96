/*-------------------------------------------------------------------------
 *
 * databases.c
 *	  The databases of the cluster, as the launcher finds them at its start.
 *
 *	  Shared memory has room for some only (shmem.h), and those without the
 *	  extension are forgotten as soon as a scheduler has looked.  So the others
 *	  wait here for their turn.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/heapam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "catalog/pg_database.h"
#include "shared/databases.h"
#include "shared/shmem.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

/* Databases in which no scheduler was wanted yet, for lack of room */
static List *unseen = NIL;

/*
 * Note every database one can connect to
 */
void
databases_find(void)
{
	Relation	rel;
	TableScanDesc scan;
	HeapTuple	tuple;

	StartTransactionCommand();
	(void) GetTransactionSnapshot();
	rel = table_open(DatabaseRelationId, AccessShareLock);
	scan = table_beginscan_catalog(rel, 0, NULL);
	while ((tuple = heap_getnext(scan, ForwardScanDirection)) != NULL)
	{
		Form_pg_database db = (Form_pg_database) GETSTRUCT(tuple);

		if (db->datallowconn && !db->datistemplate)
		{
			MemoryContext old = MemoryContextSwitchTo(TopMemoryContext);

			unseen = lappend_oid(unseen, db->oid);
			MemoryContextSwitchTo(old);
		}
	}
	table_endscan(scan);
	table_close(rel, AccessShareLock);
	CommitTransactionCommand();
}

/*
 * Want schedulers in them, as far as there is room
 */
void
databases_want(void)
{
	while (unseen != NIL && durable_want_scheduler(linitial_oid(unseen)))
		unseen = list_delete_first(unseen);
}
