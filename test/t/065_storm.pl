# A storm of everything, see test/storm/Storm.pm: about a minute and a half of it.
# STORM_SEED, STORM_KILLS, STORM_MINUTES and STORM_DISK (a file system of its own
# that may be filled) in the environment; bench/storm is the long form.

use strict;
use warnings;
use FindBin;
use lib $FindBin::RealBin, "$FindBin::RealBin/../storm";
use Storm;
use Test::More;

storm(seed => $ENV{STORM_SEED} // $ENV{DURABLE_SEED} // time() % 1_000_000 | 0, kills => $ENV{STORM_KILLS} // 30,
	minutes => $ENV{STORM_MINUTES}, late => $ENV{STORM_LATE} // 15);
done_testing();
