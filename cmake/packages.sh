# The Debian packages that we build and test with; sourced by quickstart and check.
#
#   packages_install "$packages_build"     installs what is missing, and nothing where nothing is

# clang and llvm compile what runs in the kernel, whatever compiles the rest.
packages_build="build-essential ca-certificates clang-14 cmake llvm-14 ninja-build pkg-config
	libbpf-dev libcurl4-openssl-dev libjs-dygraphs libseccomp-dev libsqlite3-0 libsqlite3-dev liburing-dev libssl-dev libsystemd-dev libzstd-dev openssl zlib1g-dev"

# TLS at full speed; Debian has it for this architecture alone.
[ "$(dpkg --print-architecture 2>/dev/null)" != amd64 ] || packages_build="$packages_build libipsec-mb1"

# The second line is what fake servers and the test runner are made of, the third what tests compare
# with or look through, the fourth what docs/traces.md shows a trace to, the fifth who judges the package
# and the units.
packages_test="clang-format-14 libclang-rt-14-dev libcjson-dev libcmocka-dev
	python3 python3-jsonschema python3-matplotlib python3-pip python3-pytest python3-selenium
	chromium chromium-driver fonts-dejavu-core iperf3 iproute2 iputils-ping mandoc procps strace valgrind wpasupplicant
	gnuplot-nox jq r-base-core xz-utils
	lintian systemd"

packages_missing() {
	for package in "$@"; do
		dpkg-query -W -f '${db:Status-Status}\n' "$package" 2>/dev/null | grep -qx installed ||
			echo "$package"
	done
}

as_root() {
	if [ "$(id -u)" -eq 0 ]; then
		"$@"
	else
		sudo "$@"
	fi
}

# On another distribution it says what it would have installed, and the build tells what is missing.
packages_install() {
	if ! command -v apt-get >/dev/null; then
		echo "no apt-get here: these Debian packages, by your system's names, are needed:" $1
		return 0
	fi
	# shellcheck disable=SC2086 # a list of words
	missing=$(packages_missing $1)
	[ -n "$missing" ] || return 0
	echo "installing" $missing
	as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq update </dev/null
	# shellcheck disable=SC2086
	as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq -y --no-install-recommends \
		install $missing </dev/null >/dev/null
}
