#!/usr/bin/env bash
# Process 1 of a guest of guest.sh: makes a machine of what the kernel has booted,
# runs the specs and switches off.  SPEC, WAY and TIMEOUT come from the kernel's
# command line.
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
export HOME=/root LANG=C.UTF-8 GUEST=yes
cd "$(dirname "$0")/../.." || exit

mount -t proc -o nosuid,nodev,noexec proc /proc
mount -t sysfs -o nosuid,nodev,noexec sysfs /sys
mount -t securityfs -o nosuid,nodev,noexec securityfs /sys/kernel/security
mountpoint -q /dev || mount -t devtmpfs -o nosuid,mode=755 devtmpfs /dev
mkdir -p /dev/pts /dev/shm
mount -t devpts -o nosuid,noexec,gid=tty,mode=620,ptmxmode=666 devpts /dev/pts
mount -t tmpfs -o nosuid,nodev,mode=1777 tmpfs /dev/shm
mount -t tmpfs -o nosuid,nodev,mode=755 tmpfs /run
mount -t cgroup2 -o nosuid,nodev,noexec cgroup2 /sys/fs/cgroup
ln -s /proc/self/fd /dev/fd
ln -s /proc/self/fd/0 /dev/stdin
ln -s /proc/self/fd/1 /dev/stdout
ln -s /proc/self/fd/2 /dev/stderr
modprobe --quiet tun # which no program asks for by its name
ip link set lo up
hostname guest

# As an init system leaves them: every mount is shared, every controller is there.
mount --make-rshared /
sed 's/\w\+/+&/g' /sys/fs/cgroup/cgroup.controllers >/sys/fs/cgroup/cgroup.subtree_control

stty -F /dev/ttyS1 raw -echo
{ uname -a; spec/support/test.sh; } >/dev/ttyS1 2>&1 </dev/null

echo o >/proc/sysrq-trigger
sleep 60
