import pretty from 'pino-pretty'

/** Returns a function that prints a log line, formatted if the stream is a terminal and unchanged otherwise. */
export function logPrinter(stream: NodeJS.WriteStream): (line: string) => void {
  if (!stream.isTTY) return (line) => stream.write(`${line}\n`)
  const printer = pretty({
    colorize: true,
    singleLine: true,
    translateTime: 'SYS:HH:MM:ss.l',
    ignore: 'pid,hostname,service',
    messageFormat: (log, messageKey) => `${log.service}: ${log[messageKey]}`,
    destination: stream,
  })
  return (line) => printer.write(`${line}\n`)
}
