#!/bin/bash
# One machine of the lab, from its boot to its end: machine.sh STATE NAME, as first process of namespaces of its own.
# Its disk is the disk of the computer that the lab runs on, under a layer in memory that goes with the machine. On it
# lies what an image of Ubuntu on EC2 has and this computer may lack: a user who may become root, and no trace of others.
set -euo pipefail
state=$1 name=$2
. "$state/settings"
layer=$state/disks/$name root=$state/disks/$name/root
hostname "$name"
mount --make-rprivate /
mkdir -p "$layer"
mount -t tmpfs -o size=8g disk "$layer"
mkdir "$layer"/{changes,work,root,python,python-work,cache,cache-work}
mount -t overlay disk "$root" -o "lowerdir=/,upperdir=$layer/changes,workdir=$layer/work"

for folder in tmp run root mnt media work; do  # of whoever else uses this computer
  mkdir -p "$root/$folder"
  mount -t tmpfs -o mode=755 "$folder" "$root/$folder"
done
chmod 1777 "$root/tmp"
mount -t proc proc "$root/proc"
mount --rbind /sys "$root/sys"
mount -t tmpfs -o mode=755 dev "$root/dev"
mkdir "$root/dev/shm" "$root/dev/pts"
mount -t tmpfs -o mode=1777,size=2g shm "$root/dev/shm"
mount -t devpts -o newinstance,ptmxmode=666,mode=620,gid=5 devpts "$root/dev/pts"
ln -s pts/ptmx "$root/dev/ptmx"
ln -s /proc/self/fd "$root/dev/fd"
number=0
for stream in stdin stdout stderr; do ln -s "/proc/self/fd/$number" "$root/dev/$stream"; number=$((number + 1)); done
while read -r device minor; do mknod -m 666 "$root/dev/$device" c 1 "$minor"; done <<< $'null 3\nzero 5\nfull 7\nrandom 8\nurandom 9'
mknod -m 666 "$root/dev/tty" c 5 0

home=$root/home/ubuntu
sed -i '/^[^:]*:[^:]*:1000:/d' "$root/etc/passwd" "$root/etc/group"
echo 'ubuntu:x:1000:1000:Ubuntu:/home/ubuntu:/bin/bash' >> "$root/etc/passwd"
echo 'ubuntu:x:1000:' >> "$root/etc/group"
echo 'ubuntu:*:20000:0:99999:7:::' >> "$root/etc/shadow"
mkdir -p "$root/etc/sudoers.d" "$home/.ssh"
echo 'ubuntu ALL=(ALL) NOPASSWD: ALL' > "$root/etc/sudoers.d/ubuntu"
echo "$name" > "$root/etc/hostname"
echo "127.0.0.1 localhost $name" > "$root/etc/hosts"
: > "$root/etc/resolv.conf"
cp "$state/$name.key" "$home/.ssh/authorized_keys"
# As Ubuntu has it: a shell that nobody types into reads no more than this.
echo 'case $- in *i*) ;; *) return ;; esac' > "$home/.bashrc"
echo '[ -f ~/.bashrc ] && . ~/.bashrc' > "$home/.profile"

# No package index is reached from here: apt has nothing to fetch, pip has the wheel of uv, uv what it fetched before.
rm -rf "$root"/etc/apt/sources.list "$root"/etc/apt/sources.list.d/*
mkdir -p "$root/opt/wheels-of-the-lab" "$root/var/cache/bytecode"
mount --bind "$WHEELS" "$root/opt/wheels-of-the-lab"
mount --bind "$state/bytecode" "$root/var/cache/bytecode"
printf '[global]\nno-index = true\nfind-links = /opt/wheels-of-the-lab\nbreak-system-packages = true\n' > "$root/etc/pip.conf"
python=$home/.local/share/uv/python/cpython-$PYTHON_VERSION-linux-$(uname -m)-gnu
mkdir -p "$home/.cache/uv" "$python" "$root$PYTHON_HOME"
chown -R 1000:1000 "$home"
mount --bind -o ro "$PYTHON_HOME" "$root$PYTHON_HOME"  # where this Python looks for its own library
mount -t overlay cache "$home/.cache/uv" -o "lowerdir=$UV_CACHE,upperdir=$layer/cache,workdir=$layer/cache-work"
mount -t overlay python "$python" -o "lowerdir=$PYTHON_HOME,upperdir=$layer/python,workdir=$layer/python-work"
chown 1000:1000 "$python" "$python/lib" "$python"/lib/python3.11 "$python"/lib/python3.11/_sysconfigdata*
find "$home/.cache/uv" -maxdepth 2 -not -path '*/archive-v0/*' -exec chown -h 1000:1000 {} +

# There is no systemd in a namespace; what the file asks of it is done in its place.
install -m 755 "$LAB"/bin/* "$root/usr/local/bin"
mkdir -p "$root/run/sshd"
install -m 600 "$state/host_key" "$root/run/host_key"
cat > "$root/run/sshd_config" <<CONFIG
HostKey /run/host_key
PidFile none
PasswordAuthentication no
UsePAM no
MaxSessions 100
MaxStartups 100
PrintLastLog no
PrintMotd no
SetEnv AWS_ENDPOINT_URL=$ENDPOINT PYTHONPYCACHEPREFIX=/var/cache/bytecode RAY_DEFAULT_OBJECT_STORE_MAX_MEMORY_BYTES=300000000 UV_LINK_MODE=symlink UV_OFFLINE=1
CONFIG
exec chroot "$root" env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
  bash -c '/usr/sbin/sshd -D -e -f /run/sshd_config 2> /run/sshd.log & while true; do wait -n || true; sleep 1; done'
