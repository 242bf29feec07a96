EXTENSION = durable
EXTVERSION = $(shell sed -n "s/^default_version = '\(.*\)'/\1/p" durable.control)

MODULE_big = durable
SOURCES = $(wildcard src/*.c src/*/*.c)
OBJS = $(SOURCES:.c=.o)

# The install script, part by part, in the order of their dependencies.
SQL_PARTS = header types tables client workflow handle activity operator testkit views update code comments footer
DATA_built = durable--$(EXTVERSION).sql
# upgrade scripts
DATA = $(wildcard durable--*--*.sql)

REGRESS = $(patsubst test/sql/%.sql,%,$(sort $(wildcard test/sql/*.sql)))
REGRESS_OPTS = --inputdir=test --encoding=UTF8 --temp-instance=./tmp_check --temp-config=test/durable.conf
ISOLATION = $(patsubst test/specs/%.spec,%,$(sort $(wildcard test/specs/*.spec)))
ISOLATION_OPTS = --inputdir=test --temp-instance=./tmp_check_iso --temp-config=test/durable.conf
# CONFORMANCE="signal/basic" selects.
CONFORMANCE = $(patsubst test/conformance/%.sql,%,$(sort $(shell find test/conformance -name '*.sql')))
TAP_TESTS = 1
PROVE_TESTS = test/t/*.pl

PG_CFLAGS = -Wall -Wextra -Wno-unused-parameter -Wno-sign-compare -Wno-missing-field-initializers
# for the bitcode as well, which does not get the above
PG_CPPFLAGS = -I$(srcdir)/src -DDURABLE_VERSION='"$(EXTVERSION)"'
# A library in which tests can stop processes (src/shared/stopevent.c): never to be installed for use
ifdef STOP_EVENTS
PG_CPPFLAGS += -DDURABLE_STOP_EVENTS
STOP_EVENT_SYMBOLS = durable_stop_*; pg_finfo_durable_stop_*;
endif
EXTRA_CLEAN = durable--$(EXTVERSION).sql durable.map tmp_check_iso tmp_check_conformance tmp_check_fuzz \
	tmp_check_hostile

PG_CONFIG = pg_config
PGXS := $(shell $(PG_CONFIG) --pgxs)
include $(PGXS)

# Names are looked up in pg_catalog alone (sql/header.sql), so those of what users
# call get the schema that CREATE EXTENSION names.
durable--$(EXTVERSION).sql: $(SQL_PARTS:%=sql/%.sql)
	sed -E -e '/^COMMENT ON/s/^(COMMENT ON [A-Z]+ )wf_/\1@extschema@.wf_/' \
		-e '/^COMMENT ON/!s/(^|[ (,])wf_/\1@extschema@.wf_/g' $^ > $@

# What the server looks up by name is seen outside of the library, and nothing
# else: another library's functions could have the names of ours.
durable.map: $(SOURCES)
	@echo "writing $@"
	@{ echo '{ global: _PG_init; Pg_magic_func; $(STOP_EVENT_SYMBOLS)'; \
	  sed -nE -e 's/^PG_FUNCTION_INFO_V1\((\w+)\);/\1; pg_finfo_\1;/p' -e 's/.*PGDLLEXPORT extern void (\w+)\(.*/\1;/p' $^; \
	  echo 'local: *; };'; } > $@
ifneq ($(PORTNAME),darwin)
SHLIB_LINK += -Wl,--version-script=durable.map
$(shlib): durable.map
endif

# Every object depends on every header: few files, and never a stale build.
$(OBJS): $(wildcard src/*/*.h src/*/*.def)

.PHONY: check-regress check-isolation check-tap check-stop-events check-storm check-conformance check-fuzz check-hostile
check-regress: submake
	$(pg_regress_installcheck) $(REGRESS_OPTS) $(REGRESS)
check-isolation: submake
	$(pg_isolation_regress_installcheck) $(ISOLATION_OPTS) $(ISOLATION)
check-tap:
	$(prove_installcheck)
# All actions at all stop events, STOP_SHARD=1/3 for a part of them.
check-stop-events:
	STOP_EVENTS=$${STOP_EVENTS:-all} $(MAKE) check-tap PROVE_TESTS=test/t/059_stop_events.pl
# A hundred strikes for each of three seeds: SEEDS="4 5" KILLS=300 MINUTES=30
check-storm:
	bench/storm $(or $(KILLS),100) "$(MINUTES)" $(SEEDS)
check-conformance:
	test/conformance/run $(bindir) $(CONFORMANCE)
# A minute; N=1000000 makes so many calls, SEED=1 draws those of another time again.
check-fuzz:
	test/fuzz/run $(bindir) $(if $(N),--calls $(N)) $(if $(SEED),--seed $(SEED))

# HOSTILE="names_cut_inside_a_letter" selects.
check-hostile:
	test/hostile/run $(bindir) $(HOSTILE)
