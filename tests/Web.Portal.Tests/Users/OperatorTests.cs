using System.Net;
using Tokonomics.Application.Users;
using Tokonomics.Testing;

namespace Tokonomics.Web.Portal.Tests.Users;

/// <summary>The door of the operator's area.</summary>
public sealed class OperatorTests : IAsyncLifetime
{
    private const string Operator = "operator@way.example";

    private readonly Portal _portal = new() { Operators = Operator };

    public ValueTask InitializeAsync() => _portal.InitializeAsync();

    public ValueTask DisposeAsync() => _portal.DisposeAsync();

    [Fact]
    public async Task V11_The_area_opens_to_an_operator_with_two_factors_and_for_others_there_is_no_such_page()
    {
        using (var refused = await (await _portal.SignedInAsync()).GetAsync("/operator"))
            refused.StatusCode.ShouldBe(HttpStatusCode.NotFound);

        var op = await _portal.SignedInAsync(Operator);
        using (var led = await op.GetAsync("/operator"))
            led.Headers.Location!.ToString().ShouldBe("/account/security?operator=1");
        (await op.ReadAsync("/account/security?operator=1")).ShouldContain("opens to two factors");
        var (seed, _) = await Portal.TurnOnCodesAsync(op, s => Totp.Code(s, Totp.StepOf(_portal.Time.GetUtcNow())));
        seed.Length.ShouldBe(32);
        using (var opened = await op.GetAsync("/operator"))
            opened.StatusCode.ShouldBe(HttpStatusCode.OK);
    }
}
