using Tokonomics.Web.Portal;

var builder = WebApplication.CreateBuilder(args);
builder.Services.AddPortal(builder.Configuration);
var app = builder.Build();
app.UsePortal();
app.Run();
