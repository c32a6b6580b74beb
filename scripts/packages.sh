# The Debian 12 packages of this project, for ./quickstart and ./check to source. Why each one is
# here: docs/dependencies.md.
# shellcheck shell=bash disable=SC2034

build_packages=(
    build-essential cmake ninja-build pkg-config
    libjpeg62-turbo-dev libpng-dev zlib1g-dev
    libyaml-dev libzip-dev
    libprotobuf-c-dev protobuf-c-compiler
    libcurl4-openssl-dev ca-certificates
    libevent-dev libjansson-dev
)
# Training with ranks; the tests run both MPIs, and make networks with ip and tc.
mpi_packages=(libopenmpi-dev openmpi-bin libmpich-dev mpich)
test_packages=(
    libcmocka-dev clang curl jq python3 iproute2 groff-base mandoc
    python3-numpy python3-pil python3-pip python3-venv
    nodejs lld wasi-libc
    "${mpi_packages[@]}"
)
# What reads the sources in ./check, and what measures the tests' coverage.
lint_packages=(clang-tidy clang-format shellcheck codespell)
coverage_packages=(gcovr)
# Real images to begin with; without them ./quickstart draws its own.
data_packages=(dataset-fashion-mnist)
# Compiler and emulator for microcontrollers: the test of exports wants them, and says so when it skips.
arm_packages=(gcc-arm-none-eabi libnewlib-arm-none-eabi qemu-system-arm)
# ./package: builds and judges Debian packages.
package_packages=(debhelper dpkg-dev lintian git man-db)
# scripts/cross_aarch64: the compiler and emulator, and the arm64 libraries that it unpacks.
cross_packages=(gcc-aarch64-linux-gnu libc6-dev-arm64-cross qemu-user)
cross_libraries=(
    libc6 libc6-dev linux-libc-dev libcrypt1 libcrypt-dev libgcc-s1 libgcc-12-dev
    libjpeg62-turbo libjpeg62-turbo-dev libpng16-16 libpng-dev zlib1g zlib1g-dev
    libyaml-0-2 libyaml-dev libjansson4 libjansson-dev libprotobuf-c1 libprotobuf-c-dev
    libzip4 libzip-dev libcurl4-openssl-dev libcmocka0 libcmocka-dev
    libevent-dev libevent-extra-2.1-7 libevent-core-2.1-7
    libbz2-1.0 liblzma5 libzstd1 libssl3
)

is_debian() {
    command -v dpkg-query >/dev/null && command -v apt-get >/dev/null
}

# Prints those of the named packages that are not installed.
missing_packages() {
    local installed package
    installed=$(dpkg-query -W -f='${db:Status-Status} ${Package}\n' "$@" 2>/dev/null | sort -u || true)
    for package in "$@"; do
        grep -qxF "installed $package" <<<"$installed" || echo "$package"
    done
}

# Prints what has to stand before apt-get: nothing for root, sudo where it can work, else fails.
root_prefix() {
    if [ "$(id -u)" = 0 ]; then
        return 0
    elif command -v sudo >/dev/null && { [ -t 0 ] || sudo -n true 2>/dev/null; }; then
        echo sudo
    else
        return 1
    fi
}

# install_packages NAME...: installs what is missing; calls apt only when something is. On failure
# one sentence on stderr says what to do, and the status is 1.
install_packages() {
    local missing prefix
    if ! is_debian; then
        echo "This is not Debian, so nothing is installed here; the packages there are called: $*" >&2
        return 0
    fi
    mapfile -t missing < <(missing_packages "$@")
    [ ${#missing[@]} -gt 0 ] || return 0
    if ! prefix=$(root_prefix); then
        echo "Missing packages, and no right to install them; as root run:" \
            "apt-get install ${missing[*]}" >&2
        return 1
    fi
    echo "Installing ${missing[*]}" >&2
    local apt=(${prefix:+"$prefix"} env DEBIAN_FRONTEND=noninteractive apt-get -qq
        -o Acquire::Retries=1 -o Acquire::http::Timeout=20 -o Acquire::https::Timeout=20
        -o DPkg::Lock::Timeout=120)
    # A fresh machine has no lists yet, an old one has outdated ones; both are cured by one update.
    if ! "${apt[@]}" install -y --no-install-recommends "${missing[@]}" >/dev/null 2>&1; then
        "${apt[@]}" update >&2 || true
        if ! "${apt[@]}" install -y --no-install-recommends "${missing[@]}" >&2; then
            echo "apt-get could not install ${missing[*]} (is there a network?);" \
                "see its messages above." >&2
            return 1
        fi
    fi
}
