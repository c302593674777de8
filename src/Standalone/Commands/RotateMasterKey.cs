using System.CommandLine;
using MediatR;
using Tokonomics.Application.Tenants;

namespace Tokonomics.Standalone.Commands;

/// <summary><c>rotate-master-key</c>: a new key-encryption key, and every stored secret's data key wrapped anew. Works while the product serves.</summary>
internal static class RotateMasterKey
{
    public static Command Command()
    {
        var rewrap = new Option<bool>("--rewrap") { Description = "Makes no key, and wraps by the current one: the first of Secrets:MasterKey, where the keys are settings" };
        var command = new Command("rotate-master-key", "Makes a new master key and wraps every stored provider key's data key with it. The old one stays readable.") { rewrap };
        command.SetAction((parse, cancellationToken) => StoreCommand.RunAsync(async services =>
        {
            var rotated = await services.GetRequiredService<IMediator>().Send(new Application.Secrets.RotateMasterKey(Caller.Operator, NewKey: !parse.GetValue(rewrap)), cancellationToken);
            if (!rotated.Succeeded)
                return await StoreCommand.FailAsync(rotated.Refusal!.Message);
            await Console.Out.WriteLineAsync($"master key {rotated.Value.KekId} in use, {rotated.Value.Rewrapped} secrets wrapped anew");
            return 0;
        }));
        return command;
    }
}
