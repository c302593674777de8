using Tokonomics.Infrastructure;
using Tokonomics.Infrastructure.InProcess;
using Tokonomics.Web.Portal;

var builder = WebApplication.CreateBuilder(args);
builder.Services.AddStore(builder.Configuration, StoreSetup.DataFolder);
builder.Services.AddNoKeyDirectory();
builder.Services.AddPortal(builder.Configuration);

var app = builder.Build();
app.UsePortal();
app.Run();
