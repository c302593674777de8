using Tokonomics.Bench.LedgerScale;
using Tokonomics.Bench.Load;

// The parts of bench/ledger.sh that need the product's own code. The store is the one of the environment, as for the product; each prints lines of JSON.
//   LedgerScale ingest --batches 100,1000 --writers 1,2 …   events into the ledger, as fast as it takes them
//   LedgerScale grow   --rows 10000000                      the tenant that `tokonomics demo` filled, copied until it has so many
//   LedgerScale sizes                                       bytes of each relation of PostgreSQL
//   LedgerScale crowd  --keys 1000000 --budgets 100000      tenants with so many keys and budgets
//   LedgerScale fill   --held FILE                          calls into the journal while the store takes no event, until no more are admitted
//   LedgerScale node   --url U … -- COMMAND …               a serving process: from its start to ready, to a call, to all shipped; its memory; when it sees a change
if (args.Length == 0)
    return Arguments.Usage("ingest, grow, sizes, crowd, fill or node?");

var arguments = new Arguments(args[1..]);
switch (args[0])
{
    case "ingest":
        return await Ingest.RunAsync(arguments);
    case "grow":
        return await Grow.RunAsync(arguments);
    case "sizes":
        return Sizes.Run();
    case "crowd":
        return await Crowd.RunAsync(arguments);
    case "fill":
        return await Fill.RunAsync(arguments);
    case "node":
        return await Node.RunAsync(arguments);
    default:
        return Arguments.Usage($"there is no {args[0]}");
}
