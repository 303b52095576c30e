# $1 is how many versions stay: 0 is a removal, 1 an update.
if [ "$1" = 0 ]; then systemctl disable --now pullprobe.service >/dev/null 2>&1 || :; fi
