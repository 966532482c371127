#!/bin/sh
# Runs inside namespaces of its own (unshare --pid --mount --uts --ipc ...): makes ROOT a small machine, then either runs a
# command in it or boots its systemd. ROOT and WHAT ("run" or "boot") come first, the command after them.
# The kernel's settings and devices are shown read-only: nothing in there may change the machine it runs on.
set -eu
root=$1
what=$2
shift 2
mount --bind "$root" "$root"
mount -t proc proc "$root/proc"
mount --bind -o ro "$root/proc/sys" "$root/proc/sys"
mount -o remount,bind,ro "$root/proc/sys"
mount --rbind /sys "$root/sys"
umount -l "$root/sys/fs/cgroup" 2>/dev/null || true
mount -t tmpfs -o mode=755,nosuid tmpfs "$root/dev"
for device in null:1:3 zero:1:5 full:1:7 random:1:8 urandom:1:9 tty:5:0; do
    mknod -m 666 "$root/dev/${device%%:*}" c $(echo "${device#*:}" | tr : ' ')
done
mkdir "$root/dev/pts" "$root/dev/shm"
mount -t devpts -o newinstance,ptmxmode=0666,mode=620 devpts "$root/dev/pts"
ln -s pts/ptmx "$root/dev/ptmx"
ln -s /proc/self/fd "$root/dev/fd"
mount -t tmpfs tmpfs "$root/dev/shm"
if [ "$what" = run ]; then
    mount -o remount,bind,ro "$root/sys"
    exec chroot "$root" "$@"
fi
mount -t tmpfs -o mode=755 tmpfs "$root/run"
mount -t cgroup2 cgroup2 "$root/sys/fs/cgroup"
mount -o remount,bind,ro "$root/sys"
touch "$root/dev/console"
mount --bind "$CONSOLE" "$root/dev/console"
cd "$root"
mkdir -p .before
pivot_root . .before
umount -l /.before
exec env -i container=other PATH=/usr/sbin:/usr/bin /lib/systemd/systemd --system --log-target=console --show-status=no "$@"
