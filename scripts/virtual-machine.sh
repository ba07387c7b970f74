#!/usr/bin/env bash
# Tries the sandbox on another kernel than this machine's: the distribution's own, with control groups of
# version 2 only, in a small emulated machine. Every attack of the catalogue, as root and as an ordinary
# user with a group delegated to it. Takes a few minutes; needs no virtualisation of the processor.
#
#   scripts/virtual-machine.sh [LAUNCHER]   the launcher to try (default: builds target/debug's)
set -euo pipefail
cd "$(dirname "$0")/.."

say() { printf 'virtual machine: %s\n' "$*"; }
fail() { printf 'virtual machine: %s\n' "$*" >&2; exit 1; }
[ "$(uname -m)" = x86_64 ] || { say "SKIPPED: written for x86_64, this is $(uname -m)"; exit 0; }

launcher=${1:-target/debug/bailey-sandbox-launcher}
[ $# -gt 0 ] || cargo build --quiet --locked -p bailey-sandbox --bin bailey-sandbox-launcher
work=target/virtual-machine
mkdir -p "$work"

# --- a kernel ----------------------------------------------------------------------------------
# Only the file: nothing of the package is installed on this machine.
if ! compgen -G "$work/kernel/boot/vmlinuz-*" >/dev/null; then
  kernel_package() {
    local meta
    for meta in linux-image-cloud-amd64 linux-image-virtual; do
      (apt-cache depends "$meta" 2>/dev/null || true) | sed -n 's/.*Depends: \(linux-image-[0-9].*\)/\1/p' | head -n 1
    done | head -n 1
  }
  package=$(kernel_package)
  [ -n "$package" ] || fail "no kernel package was found; hint: run apt-get update"
  say "downloading $package"
  rm -rf "$work/download" "$work/kernel"
  mkdir "$work/download"
  (cd "$work/download" && apt-get download -qq "$package" 2>/dev/null) || fail "cannot download $package"
  dpkg -x "$work"/download/*.deb "$work/kernel.part"
  mv "$work/kernel.part" "$work/kernel"
  rm -rf "$work/download"
fi
kernel=$(compgen -G "$work/kernel/boot/vmlinuz-*" | head -n 1)

# --- its files: a shell, Python, the launcher, and what these need ------------------------------
root=$work/root
rm -rf "$root"
mkdir -p "$root"/{bin,etc,lib64,new,usr/bin,usr/lib}
take() { local file; for file; do mkdir -p "$root$(dirname "$file")"; cp -L "$file" "$root$file"; done; }
libraries() { ldd "$1" 2>/dev/null | grep -o '/[^ ]*' | sort -u; }
python=$(readlink -f /usr/bin/python3)
library=$("$python" -I -S -c 'import os; print(os.path.dirname(os.__file__))')
take /bin/busybox /bin/bash /usr/bin/ldd "$python"
ln -s "$(basename "$python")" "$root/usr/bin/python3"
mkdir -p "$root$library"
tar -C "$library" --exclude=test --exclude=__pycache__ --exclude='config-*' --exclude=idlelib -cf - . | tar -C "$root$library" -xf -
cp "$launcher" "$root/bin/launcher"
strip "$root/bin/launcher"
for binary in /bin/bash "$python" "$launcher" "$library"/lib-dynload/*.so; do
  for file in $(libraries "$binary"); do [ -e "$root$file" ] || take "$file"; done
done
[ -e "$root/lib64/ld-linux-x86-64.so.2" ] || take /lib64/ld-linux-x86-64.so.2
find_library() { ldconfig -p | sed -n "s|.*$1 .* => ||p" | head -n 1; }
take "$(find_library libgcc_s.so.1)"
for name in sh mount mkdir cat cp chown find sleep switch_root uname wc poweroff; do
  ln -s busybox "$root/bin/$name"
done
printf 'root:x:0:0::/:/bin/sh\nnobody:x:65534:65534::/:/bin/sh\n' > "$root/etc/passwd"
printf 'root:x:0:\nnogroup:x:65534:\n' > "$root/etc/group"

# The first file system of a kernel cannot be swapped for another, which is what a sandbox does; so
# everything moves to a second one.
cat > "$root/init" <<'INIT'
#!/bin/sh
mount -t tmpfs -o size=1g,mode=0755 none /new
for part in bin etc lib lib64 usr main; do [ ! -e "/$part" ] || cp -a "/$part" /new/; done
mkdir -p /new/proc /new/sys /new/dev /new/run
mkdir -m 1777 /new/tmp
exec switch_root /new /main
INIT
cat > "$root/main" <<'MAIN'
#!/bin/sh
export PATH=/bin:/usr/bin
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs devices /dev
mount -t cgroup2 groups /sys/fs/cgroup
echo "KERNEL $(uname -r), control groups: $(cat /sys/fs/cgroup/cgroup.controllers)"
groups=/sys/fs/cgroup

mkdir /tmp/bomb
echo 'kept = []
while True: kept.append(b"x" * 1024 * 1024)' > /tmp/bomb/__main__.py

echo "PART root"
launcher attacks /usr/bin/python3 /run/cache
launcher run /usr/bin/python3 /run/cache /tmp/bomb </dev/null
echo "LEFT $(find $groups/bailey -mindepth 1 -type d | wc -l)"

# As a service manager delegates: the group is the user's, and the host begins inside it.
echo "PART user"
mkdir $groups/delegated
chown -R nobody $groups/delegated
mkdir -m 0700 /run/user
chown nobody /run/user
echo 'import os, sys
os.setgroups([]); os.setgid(65534); os.setuid(65534); os.execvp(sys.argv[1], sys.argv[1:])' > /run/as_nobody.py
inside() { (echo 0 > "$groups/$1/cgroup.procs"; shift; exec python3 -I -S /run/as_nobody.py "$@"); }
inside delegated launcher attacks /usr/bin/python3 /run/user/cache
# The host before went into a group of its own; a new one begins at the top again.
mkdir $groups/again
chown -R nobody $groups/again
inside again launcher run /usr/bin/python3 /run/user/cache /tmp/bomb </dev/null
echo "LEFT $(find $groups/delegated/bailey $groups/again/bailey -mindepth 1 -type d | wc -l)"
echo "END"
poweroff -f
MAIN
chmod +x "$root/init" "$root/main"
(cd "$root" && find . | cpio --quiet -o -H newc | gzip -1) > "$work/initrd.gz"

# --- run it ------------------------------------------------------------------------------------
say "starting $(basename "$kernel") with $(du -h "$work/initrd.gz" | cut -f1) of files"
log=$work/console.log
timeout 1500 qemu-system-x86_64 -accel tcg,thread=multi -cpu max -smp 2 -m 2048 -nographic -no-reboot -nic none \
  -kernel "$kernel" -initrd "$work/initrd.gz" -append "console=ttyS0 quiet panic=-1" </dev/null 2>&1 \
  | tr -d '\r' > "$log" || true
grep -q '^END' "$log" || { tail -n 30 "$log" >&2; fail "it did not come to its end; all of it is in $log"; }
sed -n 's/^.*KERNEL /virtual machine: /p' "$log"

# --- what it said ------------------------------------------------------------------------------
failed=0
for part in root user; do
  said=$(sed -n "/^PART $part/,/^LEFT/p" "$log")
  held=$(grep -c '"verdict":"held"' <<<"$said" || true)
  lost=$(grep '"verdict":' <<<"$said" | grep -v '"verdict":"held"' || true)
  say "$part: $held attacks held"
  [ -z "$lost" ] || { printf '%s\n' "$lost" >&2; failed=1; }
  [ "$held" -ge 45 ] || { printf '%s\n' "$said" | tail -n 20 >&2; say "$part: too few attacks were tried"; failed=1; }
  grep -q '^memory: reached 128 MiB' <<<"$said" || { say "$part: the memory limit did not end the process in the usual words"; failed=1; }
  grep -q '^LEFT 0' <<<"$said" || { say "$part: control groups are left"; failed=1; }
done
[ "$failed" = 0 ] || fail "see $log"
say "every wall holds"
