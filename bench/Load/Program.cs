using Tokonomics.Bench.Load;

// The load of the benchmarks, and the provider of its streams. Each command prints one line of JSON when it ends; `rate` one for each window besides.
//   Load provider --port 9000                                        a provider whose streams tell when each event was sent
//   Load rate     --url U --key K --body FILE [--rate 500] …         calls at a rate, timed from when each was due; without a rate as many as go
//   Load streams  --url U --key K --body FILE [--streams 1] …        time to first byte, and how long each event was on its way
//   Load hold     --url U --key K --body FILE --steps 50,10000 …     streams that stay open, and the memory of the process that holds them
//   Load attack   --kind slowloris|idle|slow-read|reset --url U …    what a server must withstand
//   Load start    --url U --key K --body FILE -- COMMAND …           from starting a process to its first answered call
if (args.Length == 0)
    return Arguments.Usage("provider, rate, streams, hold, attack or start?");

var arguments = new Arguments(args[1..]);
switch (args[0])
{
    case "provider":
        await Provider.RunAsync(arguments);
        return 0;
    case "rate":
        return Rate.Run(arguments);
    case "streams":
        return Streams.Run(arguments);
    case "hold":
        return await Held.RunAsync(arguments);
    case "attack":
        return await Attack.RunAsync(arguments);
    case "start":
        return await ColdStart.RunAsync(arguments);
    default:
        return Arguments.Usage($"there is no {args[0]}");
}
