/*-------------------------------------------------------------------------
 *
 * portal.c
 *	  A portal for procedures that COMMIT in a background process.
 *
 *	  After a COMMIT in a procedure the server takes the next snapshot for the
 *	  active portal, which a session has and a background process has not.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "call/portal.h"
#include "tcop/pquery.h"
#include "utils/memutils.h"

/*
 * See to it that there is an active portal; returns the one made for that, or
 * NULL where the session has its own
 */
Portal
portal_begin(void)
{
	Portal		portal;

	if (ActivePortal)
		return NULL;
	portal = CreateNewPortal();
	portal->visible = false;
	portal->resowner = NULL;
	/* active ones survive a COMMIT */
	portal->status = PORTAL_READY;
	MarkPortalActive(portal);
	ActivePortal = portal;
	PortalContext = portal->portalContext;
	return portal;
}

/*
 * Undo portal_begin(), after a commit or rollback
 */
void
portal_end(Portal portal)
{
	if (!portal)
		return;
	ActivePortal = NULL;
	PortalContext = NULL;
	portal->status = PORTAL_DONE;
	portal->portalSnapshot = NULL;
	PortalDrop(portal, false);
}
