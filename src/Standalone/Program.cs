using System.CommandLine;
using Tokonomics.Standalone.Commands;

var root = new RootCommand("Tokonomics: a meter, a hard cap and a bill between applications and model providers. Without a command it serves.")
{
    Serve.Command(),
    Provision.Command(),
    Verify.Command(),
    RerateMonth.Command(),
    Nodes.Command(),
    Prices.Command(),
    RotateMasterKey.Command(),
};
root.SetAction((_, cancellationToken) => Serve.RunAsync(cancellationToken));
return await root.Parse(args).InvokeAsync();
