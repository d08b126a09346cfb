# Removes a pods' network, however its owner ended. Needs DIR and NETWORK.
PATH=$PATH:/usr/sbin:/sbin

# Containers go first: a network plugin at work needs the network to take them out of it.
for _ in $(seq 200); do
    [ -z "$(find "$DIR" -maxdepth 1 -name 'containerd-*.pid')" ] && break
    sleep 0.1
done
ip link delete "$NETWORK" 2>/dev/null
ip netns delete "$NETWORK" 2>/dev/null
exit 0
