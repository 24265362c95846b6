# Exits with 0 if the service in this container reports that it is ready, else with 1. `HEALTHCHECK` runs it every few
# seconds, so it does not start Node, which would take a tenth of a core. The file `port` holds the default of PORT.
exec 3<>"/dev/tcp/127.0.0.1/${PORT:-$(<port)}" || exit 1
printf 'GET /readyz HTTP/1.0\r\n\r\n' >&3
read -r _ status _ <&3
[[ $status == 200 ]]
