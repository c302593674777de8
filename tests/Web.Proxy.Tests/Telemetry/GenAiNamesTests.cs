using Tokonomics.Application.Dialects;
using Tokonomics.Domain.Ledger;
using Tokonomics.Web.Proxy.Telemetry;

namespace Tokonomics.Web.Proxy.Tests.Telemetry;

public sealed class GenAiNamesTests
{
    [Fact]
    public void Every_dialect_is_an_operation()
    {
        DialectCatalogue.Names.Where(n => GenAiNames.OperationOf(n) is null).ShouldBeEmpty();
        GenAiNames.OperationOf("nosuch").ShouldBeNull();
    }

    [Theory]
    [InlineData(CallOutcome.Completed, 200, false, null)]
    [InlineData(CallOutcome.Completed, 404, false, "404")]
    [InlineData(CallOutcome.Completed, 999, false, "_OTHER")]
    [InlineData(CallOutcome.TimedOut, 0, false, "timeout")]
    [InlineData(CallOutcome.Unreachable, 0, false, "unreachable")]
    [InlineData(CallOutcome.Truncated, 200, false, "truncated")]
    [InlineData(CallOutcome.ClientGone, 200, false, "client_gone")]
    [InlineData(CallOutcome.CutByProxy, 200, false, "cut_by_proxy")]
    [InlineData(CallOutcome.CutByProxy, 200, true, null)]
    public void An_end_is_an_error_or_none(CallOutcome outcome, int status, bool cutAtBudget, string? error) =>
        GenAiNames.ErrorOf(new UsageEvent { RequestId = "req_1", TenantId = "t", KeyId = "k", Provider = "openai", Dialect = "openai-chat", Operation = "POST /chat/completions", PriceVersion = "v", At = DateTimeOffset.UnixEpoch, Outcome = outcome, Status = status }, cutAtBudget).ShouldBe(error);
}
