using System.Buffers;
using MediatR;
using Tokonomics.Application.Tenants;

namespace Tokonomics.Web.Portal.Api;

/// <summary>All of a tenant's data, and its end.</summary>
internal static class DataApi
{
    public static void Map(RouteGroupBuilder api)
    {
        var data = api.MapGroup("/data").WithTags("Data");
        data.MapGet("/export", async (HttpContext http, IMediator mediator) =>
        {
            var export = await mediator.Send(new ExportTenant(http.Caller(), http.Tenant()), http.RequestAborted);
            if (!export.Succeeded)
                return export.Answer(_ => null);
            await WriteAsync(http, export.Value);
            return Results.Empty;
        }).Produces(200, contentType: "application/x-ndjson").WithSummary("Everything of the tenant, one JSON object a line: {\"table\":…,\"row\":{…}}. Keys and tokens without their hashes, no provider keys; ends with {\"complete\":true}");
        data.MapPost("/deletion", async (HttpContext http, IMediator mediator, DeletionBody body) =>
            (await mediator.Send(new RequestTenantDeletion(http.Caller(), http.Tenant(), body.Name), http.RequestAborted)).Answer(d => new DeletionShape(d.At), 202))
            .Produces<DeletionShape>(202).WithSummary("Deletes the tenant after a grace, whose end is in the answer; its keys are refused at once. name is the tenant's name");
        data.MapDelete("/deletion", async (HttpContext http, IMediator mediator) =>
            (await mediator.Send(new CancelTenantDeletion(http.Caller(), http.Tenant()), http.RequestAborted)).Answer(_ => null))
            .Produces(204).WithSummary("Cancels the deletion: keys are accepted again");
    }

    public static async Task WriteAsync(HttpContext http, TenantExport export)
    {
        http.Response.ContentType = "application/x-ndjson; charset=utf-8";
        http.Response.Headers.ContentDisposition = $"attachment; filename=\"{export.TenantId}.ndjson\"";
        await using var rows = new DownloadWriter(http, null);
        var line = new ArrayBufferWriter<byte>(4096);
        await foreach (var row in export.Lines)
        {
            line.ResetWrittenCount();
            line.Write("{\"table\":\""u8);
            line.Write(System.Text.Encoding.UTF8.GetBytes(row.Table));
            line.Write("\",\"row\":"u8);
            line.Write(row.Json.Span);
            line.Write("}"u8);
            await rows.LineAsync(line.WrittenSpan);
        }

        // Without it nobody can tell a whole file from one that was broken off.
        await rows.LineAsync("{\"complete\":true}"u8);
    }

    internal sealed record DeletionBody(string Name);

    internal sealed record DeletionShape(DateTimeOffset? DeleteAt);
}
