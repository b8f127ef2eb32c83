// Follows a job through the SignalR hub with Microsoft's own client. Prints one line of JSON per event, then END or ERROR.
import { HubConnectionBuilder, HttpTransportType, LogLevel } from '@microsoft/signalr';

const [address, key, jobId, after, transport] = process.argv.slice(2);
const connection = new HubConnectionBuilder()
  .withUrl(`${address}hubs/jobs`, { accessTokenFactory: () => key, transport: HttpTransportType[transport] })
  .configureLogging(LogLevel.None)
  .build();

try {
  await connection.start();
} catch (failure) {
  console.log(`REFUSED ${failure.message}`);
  process.exit(0);
}

connection.stream('Watch', jobId, Number(after)).subscribe({
  next: (event) => console.log(JSON.stringify(event)),
  complete: () => end('END'),
  error: (failure) => end(`ERROR ${failure.message}`),
});

async function end(line) {
  console.log(line);
  await connection.stop();
  process.exit(0);
}
