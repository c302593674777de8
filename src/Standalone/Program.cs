using System.CommandLine;
using Tokonomics.Standalone.Commands;

var root = new RootCommand("Tokonomics: a meter, a hard cap and a bill between applications and model providers. Without a command it serves.")
{
    Serve.Command(),
    Provision.Command(),
    DemoCommand.Command(),
    Verify.Command(),
    RerateMonth.Command(),
    Nodes.Command(),
    Prices.Command(),
    RotateMasterKey.Command(),
    Backup.Command(),
    Move.Command(),
    ConfigCheck.Command(),
    Sandbox.Command(),
};
root.SetAction((_, cancellationToken) => Serve.RunAsync(cancellationToken));
// A signal cancels the command's token. How long it then takes is its own affair: serving drains by its settings, and two seconds (the default) would cut it.
return await root.Parse(args).InvokeAsync(new InvocationConfiguration { ProcessTerminationTimeout = TimeSpan.FromDays(1) });
