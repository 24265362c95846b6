# Whether the service in this container is ready, by its own word: exit code 0 or 1. For `HEALTHCHECK`, every few seconds in
# each container: so it starts no Node, which would take a tenth of a core. `port` is the default of the service's settings.
exec 3<>"/dev/tcp/127.0.0.1/${PORT:-$(<port)}" || exit 1
printf 'GET /readyz HTTP/1.0\r\n\r\n' >&3
read -r _ status _ <&3
[[ $status == 200 ]]
